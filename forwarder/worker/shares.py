"""Which of the queue's lists are this worker's: its fair share of them, and a tenure for each.

Workers agree without a leader. Each says every second that it is at work, and is told how many are and in which order
they came; that alone decides how many lists are whose. Who has too few takes what is free, who has too many gives
back. A place in the order does not change while a worker lives, so lists move only when a worker comes or goes, and no
more of them than must. The leases alone decide who owns a list; so a wrong count costs time, and never an event.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from forwarder.api.verdict import Halt
from forwarder.errors import QueueError, UnreachableError
from forwarder.pipeline.ending import Ending, Halted, Lost, Stopped, Stopping
from forwarder.pipeline.parts import Parts
from forwarder.queue import Claims, Fleet, Lease, Place, Redis, connect
from forwarder.worker.halts import halts
from forwarder.worker.ownership import Ownership

#: Seconds between two looks at who is at work and what is free.
_LOOK = 1.0
#: Seconds that saying goodbye may take.
_LEAVE_TIMEOUT = 2.0

log = structlog.get_logger()


def fair(lists: int, place: Place) -> int:
    """How many of so many lists are for the worker at this place; all places together have all lists."""
    return lists // place.workers + (place.rank < lists % place.workers)


class Shares:
    """Owns this worker's share of the lists, from when it comes to work until it is stopped or halted.

    Args:
        fleet: the worker's side of it.
        stopping: how the process is asked to stop.
        changed: told how many lists are owned, whenever that may have changed.
        halt: told the reason when one of the lists' owners must halt; writes it down for every worker.
    """

    def __init__(
        self,
        parts: Parts,
        fleet: Fleet,
        stopping: Stopping,
        *,
        changed: Callable[[int], None],
        halt: Callable[[Halt], Coroutine[Any, Any, None]],
    ) -> None:
        self._parts = parts
        self._fleet = fleet
        self._stopping = stopping
        self._changed = changed
        self._halt = halt
        self._lists = parts.keys.of
        self._target = 0
        self._tenures: dict[int, Ownership] = {}
        self._given_back: set[int] = set()
        self._asking: dict[int, Lease] = {}
        #: Leases that may still be held, though nobody here drains their lists.
        self._unreleased: dict[Lease, Parts] = {}
        self._news = asyncio.Event()
        self._taking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taking.set_result(None)
        self._over: asyncio.Future[Stopped | Halted] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Works until asked to stop, or until a halt; then every list has been given back, as far as Redis serves.

        Raises:
            WrongTypeError: a Redis key of a list holds another type.
            ShardsDisagreeError: the queue has another number of lists.
        """
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look(tasks))
            stop = tasks.create_task(self._watch())
            ending = await self._over
            if isinstance(ending, Halted) and ending.stop is not None:
                # While POSTs in flight come to their end: whoever takes a list next should know.
                tasks.create_task(self._halt(ending.stop))
            for tenure in self._tenures.values():
                tenure.end(Stopped() if isinstance(ending, Stopped) else Halted(None))
            # A lease that is being acquired would be nobody's if that were cancelled: it has a moment to come back.
            await asyncio.wait({looking, self._taking}, timeout=_LEAVE_TIMEOUT)
            for task in (looking, self._taking, stop):
                task.cancel()
            await self._leave()

    async def _watch(self) -> None:
        await self._stopping.orderly.wait()
        self._end(Stopped())

    def _end(self, ending: Stopped | Halted) -> None:
        if not self._over.done():
            self._over.set_result(ending)
            self._news.set()

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        while not self._over.done():
            self._news.clear()
            try:
                halt = await self._parts.queue.halt()
                if halt is not None and halts(halt, self._parts):
                    self._end(Halted(None))
                    return
                await self._adjust(tasks, await self._fleet.attend())
            except UnreachableError as error:
                self._parts.reach.failed(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._news.wait()

    async def _adjust(self, tasks: asyncio.TaskGroup, place: Place) -> None:
        self._parts.reach.served()
        self._target = fair(self._lists, place)
        for shard in self._kept[self._target :]:  # what was taken last goes first
            log.info("giving a list back: more workers are at work", shard=shard, workers=place.workers)
            self._given_back.add(shard)
            self._tenures[shard].end(Stopped())
        if self._taking.done():  # it may wait for a part of a cluster that is down, and this must go on
            # Each begins with another one, so that not all of them try the same.
            first = place.rank * self._lists // place.workers
            self._taking = tasks.create_task(self._take(tasks, (*range(first, self._lists), *range(first))))
        self._divide()

    async def _take(self, tasks: asyncio.TaskGroup, shards: Sequence[int]) -> None:
        """Tries to own lists, as many at a time as are missing, until none is."""
        others = [shard for shard in shards if shard not in self._tenures]
        while others and not self._over.done() and (missing := self._target - len(self._kept)) > 0:
            await asyncio.gather(*(self._try(tasks, shard) for shard in others[:missing]))
            del others[:missing]
        if self._target <= len(self._kept):
            self._unreleased |= {lease: self._parts.of_list(shard) for shard, lease in self._asking.items()}
            self._asking.clear()
        # At once: each may wait for a part of a cluster that is down, and nothing is taken meanwhile.
        await asyncio.gather(*(self._release(*each) for each in self._unreleased.items()))

    async def _release(self, lease: Lease, parts: Parts) -> None:
        """Gives back what could not be given back, or may have been acquired and is not needed: nobody drains it."""
        try:
            await lease.release()
        except UnreachableError as error:
            parts.reach.failed(error)
        else:
            del self._unreleased[lease]
            parts.reach.forget()

    @property
    def _kept(self) -> list[int]:
        return [shard for shard in self._tenures if shard not in self._given_back]

    async def _try(self, tasks: asyncio.TaskGroup, shard: int) -> None:
        """Owns a list if its lease is free."""
        settings, parts = self._parts.settings, self._parts.of_list(shard)
        # Kept until there is a reply: if one is lost the lease may be ours already, and the same token finds it.
        lease = self._asking[shard] = self._asking.get(shard) or Lease(
            parts.redis,
            parts.keys,
            ttl=settings.lease_ttl,
            owner=self._fleet.id,
            clock=parts.clock,
        )
        try:
            start = await lease.acquire()
        except UnreachableError as error:
            parts.reach.failed(error)
            return
        del self._asking[shard]
        parts.reach.forget()
        if start is None:
            return
        log.info("lease acquired", shard=shard, adopting=start.claimed, sequence=start.sequence)
        if self._over.done():
            self._unreleased[lease] = parts
            return
        blocking = connect(settings.redis_url.get_secret_value())
        claims = Claims(lease, side=settings.consume_from)
        self._tenures[shard] = Ownership(parts, claims, blocking, lists=max(self._target, len(self._tenures) + 1))
        tasks.create_task(self._own(parts, lease, self._tenures[shard], blocking))

    async def _own(self, parts: Parts, lease: Lease, tenure: Ownership, blocking: Redis) -> None:
        shard, held = parts.keys.shard, parts.metrics.lease_held.labels(str(parts.keys.shard))
        held.set(1)
        self._divide()
        tenure.ending.add_done_callback(partial(self._ended, shard))
        try:
            await self._allow(parts, tenure)
            await tenure.run(self._stopping)
        finally:
            held.set(0)
            del self._tenures[shard]
            self._given_back.discard(shard)
            if tenure.unreleased:
                self._unreleased[lease] = parts
            parts.reach.forget()
            parts.metrics.forget_list(shard)
            self._divide()
            self._news.set()
            await blocking.aclose()

    async def _allow(self, parts: Parts, tenure: Ownership) -> None:
        """Takes the refusals that an operator lets through, before the first event of the list can be refused."""
        asking = asyncio.ensure_future(parts.reach.until(parts.queue.lists[parts.keys.shard].take_allowance))
        try:
            either: set[asyncio.Future[Any]] = {asking, tenure.ending}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                parts.brake.allow(asking.result())
        finally:
            asking.cancel()

    def _ended(self, shard: int, ending: asyncio.Future[Ending]) -> None:
        """At once, while the list's POSTs in flight still come to their end."""
        if ending.cancelled():
            return
        match ending.result():
            case Stopped():
                pass
            case Lost(why):
                # A worker that was paused for so long comes last: its place would take the lists from the new owners.
                self._fleet.forget_place()
                log.warning("lease lost: forgetting everything, what is claimed is adopted", shard=shard, why=why)
            case Halted() as halted:
                self._end(halted)

    def _divide(self) -> None:
        """Divides the process' memory among its lists, and claims its part of the fleet's rate."""
        lists = max(1, self._target, len(self._tenures))
        for tenure in self._tenures.values():
            tenure.bound(lists)
        self._parts.pacer.share(max(1, len(self._tenures)) / self._lists)
        if not self._over.done():
            self._changed(len(self._tenures))

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT):
                await self._fleet.leave()
                for lease in (*self._asking.values(), *self._unreleased):
                    await lease.release()
        except (QueueError, TimeoutError) as error:
            log.warning("could not say goodbye: the others wait until this worker is forgotten", error=str(error))
