"""Lines end between words, and a word is never cut, however narrow the terminal is."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forwarder.logs.printable import breaks

URL = "http://127.0.0.1:46347/a/very/long/path"


def lines(text: str, width: int) -> list[str]:
    begins = [0, *breaks(text, width), len(text)]
    return [text[a:b].rstrip() for a, b in pairwise(begins)]


def test_an_address_is_whole_and_has_a_line_of_its_own() -> None:
    assert lines(f"open {URL} now", 20) == ["open", URL, "now"]
    assert lines(f"open {URL} now", 200) == [f"open {URL} now"]
    assert lines(URL, 3) == [URL]


def test_a_line_may_have_exactly_the_width() -> None:
    assert lines("ab cd ef", 5) == ["ab cd", "ef"]
    assert lines("ab cd ef", 4) == ["ab", "cd", "ef"]


def test_a_line_end_begins_anew() -> None:
    assert lines("ab\ncd ef", 5) == ["ab\ncd ef"]
    assert lines("ab\ncd ef gh", 5) == ["ab\ncd ef", "gh"]


@given(st.text("ab \n"), st.integers(1, 9))
def test_no_word_is_cut_and_no_line_too_long_that_could_be_shorter(text: str, width: int) -> None:
    found = [line.rstrip() for part in lines(text, width) for line in part.split("\n")]
    assert " ".join(found).split() == text.split()
    for line in found:
        assert len(line) <= width or len(line.split()) == 1
