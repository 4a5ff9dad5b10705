"""One dead letter, for people: its name, its times, and its element as it could be pushed again."""

from dataclasses import replace
from datetime import UTC, datetime

from forwarder.event import decode, name_of, one_line, with_date
from forwarder.event.dates import timestamp
from forwarder.queue import DeadLetter


def named(letter: DeadLetter, lists: int) -> DeadLetter:
    """The letter, with an id that no letter of another list has: one of Redis is of a list only."""
    return letter if lists == 1 else replace(letter, id=f"{letter.shard}/{letter.id}")


def id_in_list(letter_id: str) -> str:
    """The id without the shard."""
    return letter_id.rpartition("/")[2]


def order(letter_id: str) -> tuple[int, int]:
    """What ids are sorted by: when they were made."""
    milliseconds, _, count = id_in_list(letter_id).partition("-")
    return int(milliseconds), int(count)


def count_of(letters: int) -> str:
    """So many dead letters, in words."""
    return f"{letters:,} dead letters" if letters != 1 else "1 dead letter"


def _moment(seconds: float) -> str:
    try:
        return timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):  # an ID that somebody made up
        return ""


def claimed_at(letter: DeadLetter) -> str:
    """When the letter's event was claimed, ISO 8601."""
    return _moment(letter.claimed_at / 1e6)


def summary(letter: DeadLetter) -> dict[str, str | int | None]:
    """All of a letter that a script would read; bytes that are not UTF-8 are escaped as Python does."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "user_id": letter.user_id,
        "name": name_of(letter.element),
        "claimed_at": claimed_at(letter),
        "dead_lettered_at": _moment(order(letter.id)[0] / 1e3),
        "attempts": letter.attempts,
        "element": letter.element.decode(errors="backslashreplace"),
    }


def line(letter: DeadLetter, max_bytes: int) -> bytes:
    """A letter's element as a line that `forwarder push` takes; without a date, with the one of its first claim.

    Raises:
        InvalidElementError: it is no event.
    """
    element = with_date(letter.element, letter.claimed_at, max_bytes)
    decode(element, max_bytes=max_bytes)
    return one_line(element)
