"""Dead letters, for people: which there are, one in full, sending them again, and taking them out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from forwarder.errors import InvalidElementError
from forwarder.event import dated, decode
from forwarder.queue import DeadLetter, Records, Side

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; None means any."""

    reason: str | None = None
    status: str | None = None
    user: str | None = None
    limit: int | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether everything that is set is as it is in `letter`."""
        return (
            self.reason in (None, letter.reason)
            and self.status in (None, letter.status)
            and self.user in (None, letter.user_id)
        )


async def select(records: Records, which: Filter) -> AsyncIterator[DeadLetter]:
    """The dead letters that match, oldest first, up to the limit."""
    found = 0
    async for letter in records.letters():
        if which.limit is not None and found >= which.limit:
            return
        if which.matches(letter):
            found += 1
            yield letter


async def chosen(records: Records, letter_ids: Sequence[str] | None, which: Filter) -> AsyncIterator[DeadLetter]:
    """The letters with these ids, each once, or without ids those that match; other ids are passed over."""
    if letter_ids is None:
        async for letter in select(records, which):
            yield letter
        return
    for letter_id in dict.fromkeys(letter_ids):
        found = await records.letter(letter_id)
        if found is not None:
            yield found


def claimed_at(letter: DeadLetter) -> str:
    """When the letter's event was claimed, ISO 8601."""
    moment = datetime.fromtimestamp(letter.claimed_at / 1e6, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def summary(letter: DeadLetter) -> dict[str, str | int]:
    """All of a letter that a script would read; bytes that are not UTF-8 are escaped as Python does."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "user_id": letter.user_id,
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "element": letter.element.decode(errors="backslashreplace"),
    }


def line(letter: DeadLetter, max_bytes: int) -> bytes:
    """A letter's element as a line that `forwarder push` takes; without a date, with the one of its first claim.

    Raises:
        InvalidElementError: it is no event.
    """
    element = _dated(letter, max_bytes)
    decode(element, max_bytes=max_bytes)
    # In JSON a line break is a blank, as in a string it would be escaped (RFC 8259, sections 2 and 7).
    return element.translate(_ONE_LINE).strip()


def _dated(letter: DeadLetter, max_bytes: int) -> bytes:
    """The element with the date of its claim, if it has none and there is room for one."""
    element = dated(letter.element, letter.claimed_at)
    return element if len(element) <= max_bytes else letter.element


async def replay(records: Records, letter: DeadLetter, *, side: Side, max_bytes: int) -> bool:
    """Pushes a letter's element again, as the newest of its list; False if somebody else took the letter.

    An event without a date keeps the one it was given when it was first claimed: it is pushed with it, unless that
    would make it longer than an event may be.
    """
    try:
        element = _dated(letter, max_bytes)
    except InvalidElementError:
        element = letter.element
    return await records.replay(letter.id, element, side=side)
