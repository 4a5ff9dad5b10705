import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.shard_count import Mark, disagreement, foreign, is_count

COUNTS = st.integers(1, 1024)


@given(COUNTS, COUNTS, st.text("0123456789abcdef", min_size=1), st.booleans())
def test_a_mark_is_read_as_it_was_written(before: int, after: int, run: str, tidying: bool) -> None:  # noqa: FBT001
    mark = Mark(before, after, run, tidying)
    assert Mark.read(mark.text) == mark
    assert not is_count(mark.text)


@given(st.text())
def test_any_text_is_a_number_of_lists_or_a_mark_or_neither(text: str) -> None:
    mark = Mark.read(text)
    assert mark is None or mark.text == text
    assert not is_count(text) or str(int(text)) == text
    assert str(disagreement("events", text, 2))


@pytest.mark.parametrize("text", ["", "0", "-1", "1025", "4 ", "+4", "٤", "4\n"])
def test_only_a_possible_number_of_lists_is_one(text: str) -> None:
    assert not is_count(text)
    assert str(disagreement("events", text, 2)) == foreign("events", text)


def test_a_disagreement_says_what_to_do() -> None:
    assert str(disagreement("events", "4", 2)) == (
        "FORWARDER_SHARDS is 2, but the queue 'events' has 4 shards: "
        "set FORWARDER_SHARDS=4, or stop every worker and run `forwarder reshard 2`"
    )
    assert str(disagreement("events", "1 to 4 9f tidy", 2)) == (
        "the queue 'events' is being resharded (1 to 4 9f tidy): run `forwarder reshard 4 --move` to finish it"
    )
    assert str(disagreement("events", "four", 2)) == (
        "Redis key '{events}:shards' holds 'four', which is not a number of lists: is FORWARDER_QUEUE right?"
    )
