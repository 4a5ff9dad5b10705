"""The owner's side of a list: claim, adopt, settle, wait for events."""

import asyncio
from array import array
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from forwarder.errors import WrongTypeError
from forwarder.queue.claim_ids import ClaimIds
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Seconds between two looks at a list that a full Redis does not let wait on.
_LOOK = 1.0
#: How many fields one page of an adoption's listing looks at.
_FIELDS_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Claimed:
    """Events on loan: element i has number ``first + i``; None went to the dead letters in Redis (too long)."""

    first: int
    stamp: int
    waiting: int
    elements: Sequence[bytes | None]

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of those that are not None."""
        numbers = range(self.first, self.first + len(self.elements))
        if None not in self.elements:
            return numbers
        return [number for number, element in zip(numbers, self.elements, strict=True) if element is not None]


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A dead letter to be: the claimed event `number`-`stamp`, and why."""

    number: int
    stamp: int
    reason: str
    status: str
    detail: str
    user: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """Claims to end: accepted numbers by the stamp of their claim, and dead letters."""

    accepted: dict[int, list[int]] = field(default_factory=dict)
    letters: list[NewLetter] = field(default_factory=list)


class Claims:
    """The events on loan to the holder of a list's lease. Build it after the lease was acquired.

    Not safe for concurrent claims or concurrent settlements: one of each at a time. This is what makes
    their numbers an answer to lost replies. Every method may be called again with the same arguments after
    :exc:`UnreachableError`, and takes effect once.

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

    async def claim(self, *, most: int, most_bytes: int, most_bytes_of_one: int) -> Claimed:
        """Claims up to `most` of the oldest waiting events, ending at the one that passes `most_bytes`.

        Raises:
            LeaseLostError, RolledBackError, UnreachableError: nothing is known to have been claimed; what was
                claimed all the same is answered by the next call, or adopted.
        """
        k = self._keys
        keys = [k.list, k.claimed, k.lease, k.sequence, k.dead, k.dead_lettered]
        reply = await self.lease.run("claim", keys, self._sequence, most, most_bytes, most_bytes_of_one, self._side)
        _, first, stamp, waiting, *elements = reply
        assert isinstance(first, int)  # noqa: S101 - the script's own contract
        assert isinstance(stamp, bytes)  # noqa: S101
        assert isinstance(waiting, int)  # noqa: S101
        self._sequence = first + len(elements)
        return Claimed(first + 1, int(stamp or 0), waiting, elements)  # type: ignore[arg-type]

    async def claimed_fields(self) -> ClaimIds:
        """(number, stamp) of every claimed event, oldest first: what an owner has to adopt."""
        return await claimed_fields(self._redis, self._keys)

    async def read(self, fields: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """The bytes of claimed events, in the order asked for; None for one that is not claimed."""
        with translated():
            found: Any = await self._redis.hmget(self._keys.claimed, [f"{n}-{stamp}" for n, stamp in fields])
        return list(found)

    async def settle(self, settlement: Settlement) -> None:
        """Ends claims. After an UnreachableError the very same settlement must be given again.

        Raises:
            LeaseLostError, RolledBackError: nothing was changed; another owner adopts what is claimed.
            UnreachableError: it may or may not have been done.
        """
        k = self._keys
        accepted = [[str(stamp), numbers] for stamp, numbers in settlement.accepted.items()]
        letters = [
            [f"{e.number}-{e.stamp}", e.reason, e.status, e.detail, e.user, str(e.attempts)] for e in settlement.letters
        ]
        number = self._settlement + 1
        await self.lease.run(
            "settle",
            [k.claimed, k.lease, k.settlement, k.accepted, k.dead_lettered, k.dead],
            number,
            msgspec.msgpack.encode(accepted),
            msgspec.msgpack.encode(letters),
        )
        self._settlement = number

    async def wait_for_events(self, blocking: Redis, seconds: float) -> None:
        """Returns when the list may have events, or after about `seconds`, less than the answer timeout.

        Moves the head of the list onto the head: that blocks while the list is empty and changes nothing.
        A full Redis refuses that even while waiting: then it is time to look again in a second.

        Args:
            blocking: a client of its own: a blocking command that is cancelled costs its connection.
            seconds: at most this long.

        Raises:
            UnreachableError: no answer, or an error.
        """
        with translated():
            try:
                await blocking.blmove(self._keys.list, self._keys.list, int(max(1, seconds)), "LEFT", "LEFT")
            except OutOfMemoryError:
                await asyncio.sleep(_LOOK)
            except ResponseError as error:
                if "WRONGTYPE" in str(error):
                    raise WrongTypeError(self._keys.list, "another type", "list") from error
                raise


async def claimed_fields(redis: Redis, keys: Keys) -> ClaimIds:
    """(number, stamp) of every claimed event of a list, oldest first.

    Raises:
        UnreachableError: no answer.
    """
    found: dict[int, MutableSequence[int]] = {}
    cursor = b"0"
    while True:
        cursor, *fields = await scripts.run(redis, "claimed_fields", [keys.claimed], [cursor, _FIELDS_PAGE])
        for name in fields:
            number, _, stamp = name.partition(b"-")
            found.setdefault(int(stamp), array("Q")).append(int(number))
        if cursor == b"0":
            return _in_order(found)


def _in_order(found: dict[int, MutableSequence[int]]) -> ClaimIds:
    """Names by number, each once; a claim's numbers follow each other, so it is enough to sort within each."""
    names = ClaimIds()
    for stamp in sorted(found, key=lambda stamp: min(found[stamp])):
        names.extend(sorted(set(found[stamp])), stamp)
    return names
