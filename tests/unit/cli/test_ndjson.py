"""What is said about lines that are not events, and about a push that stopped half way."""

import pytest

from forwarder.cli.ndjson import Sieve, events_were_pushed
from forwarder.event.flaws import SPLIT_TO_FILE

ARRAY, EVENT = b'[{"user_id":"u","name":"n"}]', b'{"user_id":"u","nme":"n"}'


def said(capsys: pytest.CaptureFixture[str], sieve: Sieve, *lines: bytes) -> str:
    for number, line in enumerate(lines, 1):
        sieve.skip(number, "not an event", line)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (ARRAY, "is the file an array? Split it: jq -c '.[]' FILE | forwarder push"),
        (b"{", "does an event take several lines? Make it one: jq -c . FILE | forwarder push"),
        (b"user_id,name", 'each line is one event, such as {"user_id": "u-1", "name": "purchase"}'),
    ],
)
def test_the_first_line_that_is_no_object_says_what_a_line_has_to_be(
    capsys: pytest.CaptureFixture[str], line: bytes, hint: str
) -> None:
    lines = said(capsys, Sieve(1_000), EVENT, line, line).splitlines()
    assert lines == [
        "forwarder: line 1: not an event",
        f"forwarder: line 2: not an event; {hint}",
        "forwarder: line 3: not an event",
    ]


def test_a_file_that_must_be_read_twice_is_split_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    split = "jq -c '.[]' FILE >NEW.ndjson && forwarder push --once NEW.ndjson"
    assert f"Split it: {split}\n" in said(capsys, Sieve(1_000, split=SPLIT_TO_FILE), ARRAY)


def test_a_number_agrees_with_its_noun_and_its_verb() -> None:
    assert [events_were_pushed(n) for n in (0, 1, 2_000)] == [
        "0 events were pushed",
        "1 event was pushed",
        "2,000 events were pushed",
    ]
