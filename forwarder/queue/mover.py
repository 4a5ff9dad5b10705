"""One list during a resharding: what is in it is taken out page by page, and pages of others are put in.

A page stands in the list's `stage` until it is in its new lists, and every list notes which page of whom it took
last. So a page is in all its new lists once, whenever who moves it dies and begins again. No script touches two
lists: they may be on different nodes of a Redis Cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from forwarder.queue.claim_ids import ClaimIds
from forwarder.queue.claims import claimed_fields
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease

#: How the tokens of the leases begin that a resharding holds: the next one takes them away.
MOVER = "reshard-"
#: Seconds that such a lease lasts. It keeps out workers that were frozen so long that they are no longer known.
MOVER_LEASE = 60.0
#: Items of a page, and about how many bytes: Redis does nothing else meanwhile, and holds a page twice.
PAGE, PAGE_BYTES = 1_000, 4_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """What was taken out of a list, and of the names given how many need not be given again."""

    number: int
    dealt: int
    items: Sequence[bytes]


def mover_lease(redis: Redis, keys: Keys) -> Lease:
    """A lease for a :class:`ListMover`. It may be taken from an earlier resharding."""
    return Lease(redis, keys, ttl=MOVER_LEASE, owner=MOVER.rstrip("-"), over=MOVER)


class ListMover:
    """Moves what is in one list, under its lease. Every method raises LeaseLostError if the lease is not held.

    Args:
        lease: of the list, from :func:`mover_lease`.
        side: where the list's oldest event is.
    """

    def __init__(self, lease: Lease, *, side: Side) -> None:
        self.lease = lease
        self.name = lease.keys.list
        self._keys = lease.keys
        self._side = side
        self._loaded = 0

    async def set_aside(self) -> None:
        """Puts what waits out of the way, once; what is pushed afterwards is new."""
        k = self._keys
        await self.lease.run("set_aside", [k.lease, k.list, k.aside, k.move])

    async def claimed_fields(self) -> ClaimIds:
        """(number, stamp) of every claimed event, oldest first."""
        return await claimed_fields(self.lease.redis, self._keys)

    async def unload_events(self, fields: Sequence[tuple[int, int]]) -> Page:
        """Takes out the claimed events of these names, and when no more are claimed, those that were set aside."""
        k = self._keys
        names = [f"{number}-{stamp}" for number, stamp in fields]
        keys = [k.claimed, k.aside, k.sequence]
        return await self._unload("unload_events", keys, PAGE_BYTES, PAGE, self._side, *names)

    async def unload_letters(self, letters: Sequence[tuple[str, int]]) -> Page:
        """Takes out dead letters, given as their id and the shard that each goes to."""
        k = self._keys
        names = [f"{letter_id} {shard}" for letter_id, shard in letters]
        return await self._unload("unload_letters", [k.dead, k.sequence, k.dead_lettered], PAGE_BYTES, *names)

    async def unload_counts(self) -> Page:
        """Takes out the counts, for a list that there will be no more."""
        k = self._keys
        return await self._unload("unload_counts", [k.sequence, k.accepted, k.dead_lettered, k.replayed, k.deleted])

    async def _unload(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Page:
        k = self._keys
        reply: Any = await self.lease.run(script, [k.lease, k.stage, k.move, *keys], self._loaded, *arguments)
        return Page(reply[1], reply[2], reply[3:])

    def loaded(self, page: Page) -> None:
        """Tells that all of a page is in its new lists: the next one takes its place."""
        self._loaded = page.number

    async def load(self, source: str, number: int, items: Sequence[bytes]) -> None:
        """Adds its part of a page of the list `source` as the newest, once."""
        k = self._keys
        keys = [k.lease, k.moved, k.list, k.dead, k.sequence, k.accepted, k.dead_lettered, k.replayed, k.deleted]
        await self.lease.run("load", keys, source, number, self._side, *items)

    async def tidy(self, *, gone: bool) -> None:
        """Forgets what was noted, and the lease; with `gone` also what belongs to a list that will be no more."""
        k = self._keys
        keys = [k.lease, k.dead, k.move, k.moved, *([k.settlement, k.allowance] if gone else [])]
        await self.lease.run("tidy", keys, int(gone))
