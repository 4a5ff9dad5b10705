"""One dead letter, for people: its ID, its times, and its element as it can be pushed again."""

from dataclasses import replace
from datetime import UTC, datetime

from forwarder.dead_letters.anomalies import Label
from forwarder.dead_letters.explain import explain
from forwarder.event import decode, name_of, one_line, with_date
from forwarder.event.dates import timestamp
from forwarder.logs.printable import counted
from forwarder.queue.letters import DeadLetter


def with_shard(letter: DeadLetter, lists: int) -> DeadLetter:
    """The letter with its shard in its ID, if there are several lists: an ID of Redis is unique only within a list."""
    return letter if lists == 1 else replace(letter, id=f"{letter.shard}/{letter.id}")


def id_in_list(letter_id: str) -> str:
    """The ID as Redis knows it, without the shard."""
    return letter_id.rpartition("/")[2]


def order(letter_id: str) -> tuple[int, int]:
    """The time in an ID and its count within that millisecond. IDs are sorted by it, oldest first."""
    milliseconds, _, count = id_in_list(letter_id).partition("-")
    return int(milliseconds), int(count)


def count_of(letters: int) -> str:
    return counted(letters, "dead letter")


def came_at(letter_id: str) -> str:
    """When the event became a dead letter, as ISO 8601 in UTC; empty if somebody made up the ID."""
    return _moment(order(letter_id)[0] / 1e3)


def _moment(seconds: float) -> str:
    try:
        return timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):  # an ID that somebody made up
        return ""


def claimed_at(letter: DeadLetter) -> str:
    """When the event was claimed, as ISO 8601 in UTC; empty if the time cannot be read."""
    return _moment(letter.claimed_at / 1e6)


def summary(letter: DeadLetter) -> dict[str, str | int | None]:
    """Everything about a letter that a script may need. Bytes that are not UTF-8 are escaped, as by Python."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "user_id": letter.user_id,
        "name": name_of(letter.element),
        "claimed_at": claimed_at(letter),
        "dead_lettered_at": came_at(letter.id),
        "attempts": letter.attempts,
        "element": letter.element.decode(errors="backslashreplace"),
    }


def line(letter: DeadLetter, max_bytes: int) -> bytes:
    """A letter's element as a line for `forwarder push`. If it has no date, it gets the date of its first claim.

    Raises:
        InvalidElementError: the element is not an event.
    """
    element = with_date(letter.element, letter.claimed_at)
    decode(element, max_bytes=max_bytes)
    return one_line(element)


def explained(letter: DeadLetter, label: Label) -> str:
    """What is probably wrong with a letter. `label` decides how much of what producers wrote is revealed."""
    return explain(
        letter.reason,
        letter.status,
        letter.detail,
        letter.element,
        claimed_at=letter.claimed_at,
        attempts=letter.attempts,
        label=label,
    )
