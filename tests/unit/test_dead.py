"""What an exported dead letter looks like."""

import pytest

from forwarder.dead import line
from forwarder.errors import InvalidElementError
from forwarder.queue import DeadLetter


def letter(element: bytes) -> DeadLetter:
    return DeadLetter("1-0", element, "rejected", "400", "", "u", 1_700_000_000_000_000, 1)


def test_an_event_without_a_date_is_exported_with_that_of_its_claim() -> None:
    found = line(letter(b'{"user_id":"u","name":"x"}'), 1_000)
    assert found == b'{"user_id":"u","name":"x","date":"2023-11-14T22:13:20Z"}'


def test_an_event_that_a_date_would_make_too_long_is_exported_without_one() -> None:
    element = b'{"user_id":"u","name":"x"}'
    assert line(letter(element), len(element)) == element


def test_an_event_over_several_lines_is_exported_as_one() -> None:
    element = b'\r\n{"user_id":"u",\r\n\t"name":"a\\nb",\n"date":"2020-01-01"}\n'
    assert line(letter(element), 1_000) == b'{"user_id":"u",  \t"name":"a\\nb", "date":"2020-01-01"}'


@pytest.mark.parametrize("element", [b"\xff", b"{}", b'{"user_id":"u"}', b'{"user_id":"u","name":"a\nb"}'])
def test_what_is_no_event_is_not_exported(element: bytes) -> None:
    with pytest.raises(InvalidElementError):
        line(letter(element), 1_000)
