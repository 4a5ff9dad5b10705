"""One list during a resharding. Its content is unloaded page by page, and pages of other lists are loaded into it.

A page stays in the list's `stage` until it is in its new lists, and every list notes the last page that it loaded
from each other list. So each page arrives in its new lists exactly once, even if the command is killed at any moment
and started again. No script touches two lists, because they may be on different nodes of a Redis Cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from forwarder.errors import LeaseLostError, UnreachableError, WrongTypeError
from forwarder.queue.claim_ids import ClaimId, ScannedIds
from forwarder.queue.claims import claimed_fields
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease, holder
from forwarder.queue.wire.replies import wrong_type

#: The tokens of a resharding's leases start with this. The next resharding may take such a lease.
_MOVER = "reshard-"
#: Seconds that a resharding's lease lasts. It keeps out workers that were frozen for so long that they were forgotten.
#: It is renewed every 15 seconds, so three renewals in a row may fail.
MOVER_LEASE = 60.0
#: Items of a page. Redis does nothing else while it moves a page.
PAGE = 1_000
#: A page ends with the item that reaches this many bytes. Redis holds a page twice.
PAGE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of items taken out of a list. `dealt`: how many of the requested IDs have been handled."""

    number: int
    dealt: int
    items: Sequence[bytes]


async def held_by_worker(redis: Redis, keys: Keys) -> float | None:
    """For how many more seconds a worker holds the list; None if no worker does."""
    held = await holder(redis, keys)
    return None if held is None or held[0].startswith(_MOVER) else held[1]


class ListMover:
    """Moves what is in one list, under its lease. Every method but the first raises LeaseLostError if it is not held.

    Args:
        redis: the client.
        keys: of the list.
        side: where the list's oldest event is.
    """

    def __init__(self, redis: Redis, keys: Keys, *, side: Side) -> None:
        self.name = keys.list
        self._redis = redis
        self._keys = keys
        self._side = side
        self._loaded = 0
        self._lease = self._new_lease()
        self._held = False

    def _new_lease(self) -> Lease:
        return Lease(self._redis, self._keys, ttl=MOVER_LEASE, owner=_MOVER.rstrip("-"), over=_MOVER)

    async def own(self) -> bool:
        """Takes the lease, even from an earlier resharding. False if a worker holds it.

        What this mover has sent under an earlier lease, and what Redis has not received yet, changes nothing any more.
        No acquisition is sent twice, not even after UnreachableError: when another run has finished, and its leases
        are gone, a late copy would give this mover the list again, and it would move what is already in its place.
        """
        self._held = False
        self._lease = self._new_lease()
        self._held = await self._lease.acquire() is not None
        return self._held

    async def renew(self) -> None:
        """Extends the lease if it is to be held. If Redis gives no answer, the next renewal has to do it."""
        try:
            if self._held:
                await self._lease.renew()
        except UnreachableError:
            pass
        except LeaseLostError:
            if self._held:  # it was not given back meanwhile
                raise

    async def release(self) -> None:
        """Gives the lease back, if it is still held."""
        self._held = False
        await self._lease.release()

    async def set_aside(self) -> None:
        """Sets the waiting events aside, once. What is pushed afterwards is new."""
        k = self._keys
        await self._lease.run("set_aside", [k.lease, k.list, k.aside, k.move])

    async def claimed_fields(self) -> ScannedIds:
        """The ID of every claimed event, oldest first.

        Raises:
            WrongTypeError: the hash also holds fields that no claim has written. They cannot be moved, and would be
                left behind.
        """
        ids = await claimed_fields(self._lease)
        if ids.foreign:
            what = f"{ids.foreign} fields that are not claimed events"
            raise WrongTypeError(self._keys.claimed, what, "claimed events alone")
        return ids

    async def unload_events(self, fields: Sequence[ClaimId]) -> Page:
        """Takes out the claimed events with these IDs. When none are claimed any more, those that were set aside."""
        k = self._keys
        ids = [f"{number}-{stamp}" for number, stamp in fields]
        keys = [k.claimed, k.aside, k.sequence]
        return await self._unload("unload_events", keys, PAGE_BYTES, PAGE, self._side, *ids)

    async def unload_letters(self, letters: Sequence[tuple[str, int]]) -> Page:
        """Takes out dead letters, given as the ID of each and the shard that it goes to."""
        k = self._keys
        wanted = [f"{letter_id} {shard}" for letter_id, shard in letters]
        return await self._unload("unload_letters", [k.dead, k.sequence, k.dead_lettered], PAGE_BYTES, *wanted)

    async def unload_counts(self) -> Page:
        """Takes out the counts of a list that will no longer exist."""
        k = self._keys
        return await self._unload("unload_counts", [k.sequence, k.accepted, k.dead_lettered, k.replayed, k.deleted])

    async def _unload(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Page:
        k = self._keys
        reply = await self._run(script, [k.lease, k.stage, k.move, *keys], self._loaded, *arguments)
        return Page(reply[1], reply[2], reply[3:])

    async def _run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        reply: Any = await self._lease.run(script, keys, *arguments)
        if reply[0] == b"wrongtype":
            raise wrong_type(reply[1:])
        return reply

    def loaded(self, page: Page) -> None:
        """Call this when all of a page is in its new lists. The next unloading then replaces it."""
        self._loaded = page.number

    async def load(self, source: str, number: int, items: Sequence[bytes]) -> None:
        """Adds this list's part of a page of the list `source` as the newest items, once."""
        k = self._keys
        keys = [k.lease, k.moved, k.list, k.dead, k.sequence, k.accepted, k.dead_lettered, k.replayed, k.deleted]
        await self._run("load", keys, source, number, self._side, *items)

    async def tidy(self, *, gone: bool) -> None:
        """Deletes the notes and the lease. With `gone`, also the other keys of a list that will no longer exist."""
        k = self._keys
        self._held = False
        keys = [k.lease, k.dead, k.move, k.moved, k.dead_groups, *([k.settlement, k.allowance] if gone else [])]
        await self._lease.run("tidy", keys, int(gone))
