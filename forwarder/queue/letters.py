"""The dead letters of one list."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from forwarder.queue.keys import Keys, Side
from forwarder.queue.shard_count import being_moved
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Digits of the microseconds since 1970, until the year 2286.
_LONGEST_NUMBER = 16


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `element` is what was pushed, byte for byte; `claimed_at` is in microseconds since 1970."""

    id: str
    element: bytes
    reason: str
    status: str
    detail: str
    user_id: str
    claimed_at: int
    attempts: int
    shard: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class LatestLetters:
    """The latest letters, each with the length of its element (which may be cut), and the number for each reason."""

    letters: tuple[tuple[DeadLetter, int], ...]
    by_reason: Counter[str]


class ListLetters:
    """Reads, replays and deletes the dead letters of one list.

    Every method raises UnreachableError when Redis gives no answer.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def one(self, letter_id: str) -> DeadLetter | None:
        """One dead letter by its ID."""
        with translated():
            found: Any = await self._redis.xrange(self._keys.dead, letter_id, letter_id)
        return _dead_letter(self._keys, *found[0]) if found else None

    async def all(self, *, page: int = 100) -> AsyncIterator[DeadLetter]:
        """All dead letters, oldest first, read in pages."""
        start = "-"
        while True:
            found = await self.page(start, "+", page)
            for letter in found:
                yield letter
            if len(found) < page:
                return
            start = "(" + found[-1].id

    async def page(self, first: str, last: str, most: int) -> list[DeadLetter]:
        """The oldest letters between two IDs. ``-`` is the smallest ID, ``+`` the largest; ``(`` excludes an ID."""
        with translated():
            found: Any = await self._redis.xrange(self._keys.dead, first, last, count=most)
        return [_dead_letter(self._keys, *each) for each in found]

    async def latest(self, *, full: int, most: int, most_bytes: int, cut: int) -> LatestLetters:
        """The latest dead letters, in one round trip that stays small however long their elements are.

        Args:
            full: return at most this many letters.
            most: count the reasons of at most this many letters.
            most_bytes: stop reading letters once their elements have this many bytes.
            cut: return at most this many bytes of an element.
        """
        arguments: list[str | bytes | int] = [full, most, most_bytes, cut]
        reasons, found = await scripts.run(self._redis, "latest_letters", [self._keys.dead], arguments)
        letters = [
            (_dead_letter(self._keys, letter_id, dict(zip(fields[::2], fields[1::2], strict=True))), length)
            for letter_id, length, fields in found
        ]
        return LatestLetters(tuple(letters), Counter(reason.decode(errors="replace") for reason in reasons))

    async def replay(self, letter_id: str, element: bytes, *, side: Side) -> int | None:
        """Pushes `element` and deletes the letter, both or neither.

        Returns the sequence number under which the event will be claimed; None if there is no such letter.

        Raises:
            ShardsDisagreeError: a resharding is moving the list. Nothing was changed.
        """
        k = self._keys
        keys = [k.list, k.dead, k.replayed, k.sequence, k.move]
        match await scripts.run(self._redis, "replay_letter", keys, [letter_id, element, side]):
            case [b"pushed", int(number)]:
                return number
            case [b"moving"]:
                raise being_moved(k.list)
        return None

    async def delete(self, letter_id: str) -> bool:
        """Deletes the letter for good and counts that, both or neither. False if there is no such letter.

        Raises:
            ShardsDisagreeError: a resharding is moving the list. Nothing was changed.
        """
        keys = [self._keys.dead, self._keys.deleted, self._keys.move]
        (outcome,) = await scripts.run(self._redis, "delete_letter", keys, [letter_id])
        if outcome == b"moving":
            raise being_moved(self._keys.list)
        return bool(outcome == b"deleted")


def _dead_letter(keys: Keys, letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    def number(name: bytes) -> int:
        digits = fields.get(name, b"")
        # A letter that was written by hand must not make all the others unreadable.
        return int(digits) if digits.isdigit() and len(digits) <= _LONGEST_NUMBER else 0

    return DeadLetter(
        id=letter_id.decode(),
        element=fields.get(b"element", b""),
        reason=text(b"reason"),
        status=text(b"status"),
        detail=text(b"detail"),
        user_id=text(b"user_id"),
        claimed_at=number(b"claimed_at"),
        attempts=number(b"attempts"),
        shard=keys.shard,
    )
