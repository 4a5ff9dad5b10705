"""The owner's side of a list: claim, adopt, settle, wait for events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from forwarder.errors import RolledBackError, WrongTypeError
from forwarder.queue.claim_ids import ClaimId, ScannedIds
from forwarder.queue.keys import Side
from forwarder.queue.lease import Lease
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Seconds between two polls of a list while Redis is full. A full Redis refuses the blocking command.
_FULL_REDIS_POLL = 1.0
#: Fields that are scanned for one page of the claimed events. Redis reads their events too, so there are fewer if the
#: events of the page before were large: with 20 kB each, 209.
_FIELDS_PAGE, _FIRST_PAGE = 2_000, 100
_SCANNED_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claimed:
    """Claimed events. Element i has number ``first + i``. A length stands for an element that is too long."""

    first: int
    stamp: int
    waiting: int
    elements: Sequence[bytes | int]

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the elements."""
        return range(self.first, self.first + len(self.elements))


@dataclass(frozen=True, slots=True)
class NewLetter:
    """The claimed event `number`-`stamp` that becomes a dead letter, and why.

    Attributes:
        size: about its bytes.
        allowed: whether a person lets it through the dead-letter brake.
    """

    number: int
    stamp: int
    reason: str
    status: str
    detail: str
    user: str
    attempts: int
    size: int = 0
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """The claims to end: the numbers of accepted events by the stamp of their claim, and the dead letters."""

    accepted: dict[int, list[int]] = field(default_factory=dict)
    letters: list[NewLetter] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether it ends any claim."""
        return bool(self.accepted or self.letters)


class Claims:
    """The claimed events of one list. Build it after the lease was acquired.

    Never run two calls of :meth:`claim` at once, nor two of :meth:`settle`. Redis knows a repeated call by its number.
    Every method may be called again with the same arguments after :exc:`UnreachableError`, and takes effect once.

    Args:
        lease: of the list, acquired.
        side: where the list's oldest event is.
    """

    def __init__(self, lease: Lease, *, side: Side) -> None:
        self.lease = lease
        self._redis = lease.redis
        self._keys = lease.keys
        self._side = side
        self._sequence = lease.start.sequence
        self._settlement = lease.start.settlement

    @property
    def ever(self) -> bool:
        """Whether an event of this list was ever claimed."""
        return self._sequence > 0

    async def peek(self, *, most: int, most_bytes_of_one: int) -> Sequence[bytes | int]:
        """Up to `most` of the oldest waiting elements, which stay in the list. A length stands for a longer element."""
        arguments: list[str | bytes | int] = [most, most_bytes_of_one, self._side]
        found: list[bytes | int] = await scripts.run(self._redis, "peek", [self._keys.list], arguments)
        return found

    async def claim(self, *, most: int, most_bytes: int, most_bytes_of_one: int) -> Claimed:
        """Claims up to `most` of the oldest waiting events. The last one is the one that reaches `most_bytes`.

        Raises:
            LeaseLostError, RolledBackError, UnreachableError: if events were claimed after all, the next call
                returns them, or the next owner adopts them.
        """
        k = self._keys
        keys = [k.list, k.claimed, k.lease, k.sequence, k.settlement]
        known, limits = (self._sequence, self._settlement), (most, most_bytes, most_bytes_of_one)
        reply = await self.lease.run("claim", keys, *known, *limits, self._side)
        if reply[0] == b"again":
            return await self._again(*reply[1:], most_bytes_of_one=most_bytes_of_one)  # type: ignore[arg-type]
        _, first, stamp, waiting, *elements = reply
        assert isinstance(first, int)  # noqa: S101 - the script's own contract
        assert isinstance(stamp, bytes)  # noqa: S101
        assert isinstance(waiting, int)  # noqa: S101
        self._sequence = first + len(elements)
        return Claimed(first + 1, int(stamp or 0), waiting, elements)  # type: ignore[arg-type]

    async def _again(self, last: int, waiting: int, *, most_bytes_of_one: int) -> Claimed:
        """The events of the latest claim, whose reply was lost. They are among all that are claimed."""
        before = self._sequence
        found: set[ClaimId] = set()
        async for page, _ in _pages(self.lease):
            found.update((number, stamp) for number, stamp, _ in page if before < number <= last)
        ids = sorted(found)
        if len(ids) != last - before or len({stamp for _, stamp in ids}) != 1:
            raise RolledBackError("the events of the latest claim are gone, or are not those of one claim")
        elements = await self.read(ids, most_bytes_of_one=most_bytes_of_one)
        self._sequence = last
        return Claimed(before + 1, ids[0][1], waiting, elements)

    async def claimed_fields(self) -> ScannedIds:
        """The ID of every claimed event, oldest first. An owner has to adopt them.

        Raises:
            LeaseLostError: another worker may be claiming and settling.
            UnreachableError: no answer.
        """
        return await claimed_fields(self.lease)

    async def read(self, fields: Sequence[ClaimId], *, most_bytes_of_one: int) -> list[bytes | int]:
        """Claimed elements in the order of `fields`: a length for one that is longer.

        Raises:
            RolledBackError: one of them is not claimed any more. Either Redis went back in time, or the lease is lost
                and the next owner has ended the claim. If it were left out, and Redis then went back to when the lease
                was held, nothing would tell this owner that the event is claimed again.
            UnreachableError: no answer.
        """
        keys, names = [self._keys.claimed], (f"{number}-{stamp}" for number, stamp in fields)
        arguments: list[str | bytes | int] = [most_bytes_of_one, *names]
        found: list[Any] = await scripts.run(self._redis, "read_claimed", keys, arguments)
        if None in found:
            raise RolledBackError("events that were claimed are gone")
        return found

    async def settle(self, settlement: Settlement) -> None:
        """Ends claims. After an UnreachableError, call it again with the same settlement.

        Raises:
            LeaseLostError, RolledBackError: nothing was changed. The next owner adopts the claimed events.
            UnreachableError: the claims may or may not have ended.
        """
        k = self._keys
        accepted = [[str(stamp), numbers] for stamp, numbers in settlement.accepted.items()]
        letters = [
            [f"{e.number}-{e.stamp}", e.reason, e.status, e.detail, e.user, str(e.attempts)] for e in settlement.letters
        ]
        number = self._settlement + 1
        await self.lease.run(
            "settle",
            [k.claimed, k.lease, k.settlement, k.accepted, k.dead_lettered, k.dead, k.allowance],
            number,
            msgspec.msgpack.encode(accepted),
            msgspec.msgpack.encode(letters),
            sum([letter.allowed for letter in settlement.letters]),
        )
        self._settlement = number

    async def wait_for_events(self, blocking: Redis, seconds: float) -> None:
        """Returns when the list may have events, or after about `seconds`.

        Moves the head of the list to its head: this blocks while the list is empty, and changes nothing.
        A full Redis refuses the command; then this returns after a second.

        Args:
            blocking: a client for this purpose alone: a cancelled blocking command costs its connection.
            seconds: wait at most this long. Must be less than the answer timeout.

        Raises:
            UnreachableError: no answer, or an error.
        """
        with translated():
            try:
                await blocking.blmove(self._keys.list, self._keys.list, int(max(1, seconds)), "LEFT", "LEFT")
            except OutOfMemoryError:
                await asyncio.sleep(_FULL_REDIS_POLL)
            except ResponseError as error:
                if "WRONGTYPE" in str(error):
                    raise WrongTypeError(self._keys.list, "another type", "list") from error
                raise


async def claimed_fields(lease: Lease) -> ScannedIds:
    """The ID of every claimed event of a list, oldest first, as the holder of its lease finds them.

    Raises:
        LeaseLostError: somebody else may hold the lease.
        UnreachableError: no answer.
    """
    ids = ScannedIds()
    async for page, foreign in _pages(lease):
        ids.foreign += foreign
        ids.add(page)
    return ids


async def _pages(lease: Lease) -> AsyncIterator[tuple[list[tuple[int, int, int]], int]]:
    """Pages of (sequence number, stamp, size) of all claimed events, some twice; and how many fields are foreign."""
    cursor, page = b"0", _FIRST_PAGE
    while True:
        keys = [lease.keys.claimed, lease.keys.lease]
        reply: list[Any] = await lease.run("claimed_fields", keys, cursor, page)
        _, cursor, foreign, *found = reply
        names, sizes = found[::2], found[1::2]
        yield [(*_claim_id(name), size) for name, size in zip(names, sizes, strict=True)], foreign
        if cursor == b"0":
            return
        average = max(1, sum(sizes) // max(1, len(sizes)))
        page = max(1, min(_FIELDS_PAGE, _SCANNED_BYTES // average))


def _claim_id(name: bytes) -> ClaimId:
    number, _, stamp = name.partition(b"-")
    return int(number), int(stamp)
