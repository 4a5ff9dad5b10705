"""The dead letters of one list."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from redis.asyncio import Redis

from forwarder.queue import groups
from forwarder.queue.groups import Groups
from forwarder.queue.keys import Keys, Side
from forwarder.queue.shard_count import being_moved
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Digits of the microseconds since 1970, until the year 2286.
_LONGEST_NUMBER = 16


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter.

    Attributes:
        element: what was pushed, byte for byte, or the beginning of it.
        claimed_at: in microseconds since 1970.
        size: how many bytes were pushed.
    """

    id: str
    element: bytes
    reason: str
    status: str
    detail: str
    user_id: str
    claimed_at: int
    attempts: int
    shard: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)

    @property
    def is_cut(self) -> bool:
        """Whether `element` is only the beginning. It must not be pushed."""
        return self.size > len(self.element)


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

    async def page(self, first: str, last: str, most: int, *, newest: bool = False) -> list[DeadLetter]:
        """The oldest letters between two IDs; with `newest` the newest ones, which then come first.

        ``-`` is the smallest ID, ``+`` the largest; ``(`` excludes an ID.
        """
        with translated():
            if newest:
                found: Any = await self._redis.xrevrange(self._keys.dead, last, first, count=most)
            else:
                found = await self._redis.xrange(self._keys.dead, first, last, count=most)
        return [_dead_letter(self._keys, *each) for each in found]

    async def bounded(
        self, first: str, last: str, most: int, *, newest: bool = False, most_bytes: int, cut: int
    ) -> list[DeadLetter]:
        """Like :meth:`page`, but the reply stays small, however long the elements are. Only an empty page is the last.

        Args:
            first: ID.
            last: ID.
            most: return at most this many letters.
            newest: whether the newest ones are returned.
            most_bytes: stop reading letters once their elements have this many bytes.
            cut: return at most this many bytes of an element.
        """
        which = "newest" if newest else "oldest"
        arguments: list[str | bytes | int] = [most, most_bytes, cut, which, first, last]
        found = await scripts.run(self._redis, "read_letters", [self._keys.dead], arguments)
        return [
            replace(_dead_letter(self._keys, letter_id, dict(zip(fields[::2], fields[1::2], strict=True))), size=length)
            for letter_id, length, fields in found
        ]

    async def count(self) -> Groups | int:
        """Counts the next letters by reason, status and name.

        Returns the groups when every letter is counted; before that, how many letters this call counted.
        """
        return await groups.count(self._redis, self._keys)

    async def groups(self, *, calls: int) -> Groups:
        """The groups, after at most this many calls of :meth:`count`."""
        for _ in range(calls):
            found = await self.count()
            if isinstance(found, Groups):
                return found
        return await groups.read(self._redis, self._keys)

    async def replay(self, letter_id: str, element: bytes, *, side: Side) -> int | None:
        """Pushes `element` and deletes the letter, both or neither.

        Returns the sequence number under which the event will be claimed; None if there is no such letter.

        Raises:
            ShardsDisagreeError: a resharding is moving the list. Nothing was changed.
        """
        k = self._keys
        keys = [k.list, k.dead, k.replayed, k.sequence, k.move, k.dead_groups]
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
        keys = [self._keys.dead, self._keys.deleted, self._keys.move, self._keys.dead_groups]
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
        element=(element := fields.get(b"element", b"")),
        reason=text(b"reason"),
        status=text(b"status"),
        detail=text(b"detail"),
        user_id=text(b"user_id"),
        claimed_at=number(b"claimed_at"),
        attempts=number(b"attempts"),
        shard=keys.shard,
        size=len(element),
    )
