"""Which lists this worker owns: its fair share of them, and one ownership of each.

Workers agree without a leader. Each sends a heartbeat every second. From the reply it learns how many workers there
are, in which order they came, and its part of the fleet's rate. The order alone decides how many lists each of them
owns. A worker with too few lists takes free ones; a worker with too many gives some back. A place in the order does not
change while a worker lives, so lists move only when a worker comes or goes, and as few as possible. The leases alone
decide who owns a list, so a wrong count costs time, and never an event.

Example: 8 lists. The first worker takes 8. A second one comes: 4 and 4. A third: 3, 3 and 2.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog

from forwarder.errors import QueueError, UnreachableError
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.gate import Ending, Halted, Lost, Stopped
from forwarder.pipeline.settlement import Settler
from forwarder.queue.claims import Claims
from forwarder.queue.fleet import Place
from forwarder.queue.halts import HaltRecord
from forwarder.queue.lease import Lease
from forwarder.queue.wire.connection import Redis, connect
from forwarder.retry import first_of, wait_at_most
from forwarder.worker.condition import Condition, State, Stopping
from forwarder.worker.halts import Halts, record
from forwarder.worker.jury import Jury
from forwarder.worker.ownership import Ownership, limits
from forwarder.worker.presence import Presence
from forwarder.worker.process import Process
from forwarder.worker.requests import Requests

#: Seconds between two heartbeats. Each looks for a halt. In a fleet of more than a hundred workers not each of them
#: reports to the fleet and looks for free lists.
_HEARTBEAT = 1.0
#: Seconds that a look at all leases may take. If a master of a cluster hangs, it would take five. Then all lists are
#: tried, so that those on other masters are taken meanwhile.
_LOOK = 1.0
#: Seconds that deregistering may take.
_LEAVE_TIMEOUT = 2.0

log = structlog.get_logger()


def fair(lists: int, place: Place) -> int:
    """How many lists the worker at this place may own. Together the workers may own every list, and no more."""
    return lists // place.workers + (place.rank < lists % place.workers)


class Shares:
    """Owns this worker's share of the lists, from the first heartbeat until it is stopped or halted.

    Args:
        presence: what people see of this worker, and the fleet in which it has a place.
        condition: where it reports which lists are owned, and a halt.
        stopping: how the process is asked to stop.
    """

    def __init__(
        self, process: Process, presence: Presence, condition: Condition, halts: Halts, stopping: Stopping
    ) -> None:
        self._process = process
        self._presence = presence
        self._fleet = presence.fleet
        self._jury = Jury(process.brake, presence.fleet)
        self._condition = condition
        self._halts = halts
        self._requests = Requests(process.courier.pacer, process.clock)
        self._stopping = stopping
        self._lists = len(process.queue.lists)
        self._target = 0
        self._ownerships: dict[int, Ownership] = {}
        self._given_back: set[int] = set()
        #: Leases that were requested and had no reply yet.
        self._asking: dict[int, Lease] = {}
        #: Leases that this worker may still hold although it does not drain their lists.
        self._unreleased: set[Lease] = set()
        self._news = asyncio.Event()
        self._taking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taking.set_result(None)
        self._over: asyncio.Future[Stopped | Halted] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Works until asked to stop, or until a halt. Then it gives every list back, if Redis is available.

        Raises:
            WrongTypeError: a Redis key of a list holds another type.
            ShardsDisagreeError: the queue has another number of lists.
        """
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat(tasks))
            watching = tasks.create_task(self._watch())
            ending = await self._over
            if isinstance(ending, Halted) and ending.halt is not None:
                # Written while POSTs in flight still finish, so that the next owner of a list finds it.
                halt = record(ending.halt)
                self._condition.be(State.HALTED, halt)
                tasks.create_task(self._write(halt))
            for ownership in self._ownerships.values():
                ownership.gate.close(Stopped() if isinstance(ending, Stopped) else Halted(None))
            # If an acquisition were cancelled, nobody would drain that list until the lease expires. So it may finish.
            await asyncio.wait({beating, self._taking}, timeout=_LEAVE_TIMEOUT)
            for task in (beating, self._taking, watching):
                task.cancel()
            await self._leave()
            tasks.create_task(self._show())

    async def _watch(self) -> None:
        await self._stopping.orderly.wait()
        self._end(Stopped())

    async def _show(self) -> None:
        """While POSTs in flight finish, people still see this worker, and that its lists have a living owner."""
        while self._ownerships:
            self._news.clear()
            await self._presence.show()
            await wait_at_most(self._news, _HEARTBEAT)

    async def _write(self, halt: HaltRecord) -> None:
        await first_of(self._halts.write(halt), self._stopping.orderly)

    def _end(self, ending: Stopped | Halted) -> None:
        if not self._over.done():
            self._over.set_result(ending)
            self._news.set()

    async def _beat(self, tasks: asyncio.TaskGroup) -> None:
        process, report_at = self._process, 0.0
        availability = process.availabilities.of(process.settings.queue)
        while not self._over.done():
            self._news.clear()
            try:
                orders = await self._halts.orders()
                if orders.halt is not None:
                    self._end(Halted(None))
                    return
                self._requests.heard(orders.retry)
                await process.address.attend()
                if process.clock() >= report_at:
                    report_at = process.clock() + await self._report(tasks)
                availability.served()
            except UnreachableError as error:
                availability.failed(error)
            if await wait_at_most(self._news, _HEARTBEAT):
                report_at = 0.0

    async def _report(self, tasks: asyncio.TaskGroup) -> float:
        """Tells the fleet what this worker needs and has decided. Returns the seconds until the next report."""
        sent, pacer = self._process.clock(), self._process.courier.pacer
        place = await self._fleet.attend(*pacer.demand(), about=self._presence.about)
        pacer.granted(place.grant, until=sent + place.lasts)
        self._adjust(tasks, place)
        if halt := await self._jury.meet(min(place.workers, self._lists), self._settlers()):
            self._end(Halted(halt))
        return place.period - (self._process.clock() - sent)

    def _adjust(self, tasks: asyncio.TaskGroup, place: Place) -> None:
        self._target = fair(self._lists, place)
        for shard in self._kept[self._target :]:  # the lists that were taken last
            log.info("giving a list back: more workers are running", shard=shard, workers=place.workers)
            self._given_back.add(shard)
            self._ownerships[shard].gate.close(Stopped())
        if self._taking.done():  # taking may wait for a part of a cluster that is down; heartbeats must go on
            # Each worker begins with another list, so that not all try the same one: of 8 lists, 3 workers begin with
            # the lists 0, 2 and 5.
            first = place.rank * self._lists // place.workers
            self._taking = tasks.create_task(self._take(tasks, (*range(first, self._lists), *range(first))))
        self._divide()

    def _settlers(self) -> list[Settler]:
        return [ownership.settler for ownership in self._ownerships.values()]

    @property
    def _kept(self) -> list[int]:
        return [shard for shard in self._ownerships if shard not in self._given_back]

    async def _take(self, tasks: asyncio.TaskGroup, shards: Sequence[int]) -> None:
        """Tries to own free lists, as many at a time as are missing, until none is missing or all were tried."""
        others = await self._free(shards)
        while others and not self._over.done() and (missing := self._target - len(self._kept)) > 0:
            await asyncio.gather(*(self._try(tasks, shard) for shard in others[:missing]))
            del others[:missing]
        if self._target <= len(self._kept):
            self._unreleased.update(self._asking.values())
            self._asking.clear()
        # All at the same time: each may wait for a part of a cluster that is down, and no list is taken meanwhile.
        await asyncio.gather(*map(self._release, self._unreleased))

    async def _free(self, shards: Sequence[int]) -> list[int]:
        """Those of these lists that nobody seems to hold. If a worker has died, this is repeated until its leases end.

        Looking at a thousand lists takes Redis 0.7 ms, trying to acquire them 40 ms.
        """
        if self._target <= len(self._kept):
            return []
        others = [shard for shard in shards if shard not in self._ownerships]
        free = set(others)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                free = set(await self._process.queue.free(others))
        return [shard for shard in others if shard in free or shard in self._asking]

    async def _release(self, lease: Lease) -> None:
        """Releases a lease that is not needed: releasing it failed before, or nobody knows whether it was acquired."""
        availability = self._process.availabilities.of(lease.keys.list)
        try:
            await lease.release()
        except UnreachableError as error:
            availability.failed(error)
        else:
            self._unreleased.discard(lease)
            availability.forget()

    async def _try(self, tasks: asyncio.TaskGroup, shard: int) -> None:
        """Begins to own a list if its lease is free."""
        process = self._process
        # Kept until there is a reply: if a reply was lost, the lease may be ours already, and the same token finds it.
        lease = self._asking[shard] = self._asking.get(shard) or process.queue.lease(
            shard, ttl=process.settings.lease_ttl, owner=self._fleet.id, clock=process.clock
        )
        availability = process.availabilities.of(lease.keys.list)
        try:
            start = await lease.acquire()
        except UnreachableError as error:
            availability.failed(error)
            return
        del self._asking[shard]
        availability.forget()
        if start is None:
            return
        log.info("lease acquired", shard=shard, adopting=start.claimed, sequence=start.sequence)
        if self._over.done():
            self._unreleased.add(lease)
            return
        blocking = connect(process.settings.redis_url.get_secret_value(), file=process.settings.redis_url_file)
        claims = Claims(lease, side=process.settings.consume_from)
        share = limits(process.settings, max(self._target, len(self._ownerships) + 1))
        self._ownerships[shard] = Ownership(process, shard, claims, blocking, share)
        tasks.create_task(self._own(shard, lease, blocking))

    async def _own(self, shard: int, lease: Lease, blocking: Redis) -> None:
        ownership, process = self._ownerships[shard], self._process
        held, availability = process.metrics.lease_held.labels(str(shard)), process.availabilities.of(lease.keys.list)
        held.set(1)
        self._condition.owned[shard] = ownership.holds
        self._divide()
        ownership.gate.closed.add_done_callback(partial(self._ended, shard))
        try:
            await self._prepare(ownership, shard, availability)
            if not await ownership.run(self._stopping):
                self._unreleased.add(lease)
        finally:
            held.set(0)
            del self._ownerships[shard], self._condition.owned[shard]
            self._given_back.discard(shard)
            availability.forget()
            self._divide()
            self._news.set()
            await blocking.aclose()

    async def _prepare(self, ownership: Ownership, shard: int, availability: Availability) -> None:
        """Reads what must be known before the first event of the list can be sent or refused."""
        process, closed = self._process, ownership.gate.closed
        # If this worker stood still since its last heartbeat, a resharding may have begun and lost its leases. No
        # resharding begins without all leases, so a worker that finds its own number of lists now may go on.
        agreed = await first_of(availability.until(process.queue.shards), closed)
        if agreed is not None and agreed != str(self._lists):
            ownership.gate.close(Stopped())  # the next heartbeat says why
        allowed = await first_of(availability.until(process.queue.lists[shard].allowed_refusals), closed)
        ownership.settler.allow(allowed or 0)
        # The owner before may have written a halt and released the list since the last heartbeat.
        if await first_of(self._halts.present_once_available(), closed) is not None:
            ownership.gate.close(Halted(None))

    def _ended(self, shard: int, closed: asyncio.Future[Ending]) -> None:
        """Called as soon as a gate is closed, while POSTs in flight still finish."""
        if closed.cancelled():
            return
        match closed.result():
            case Stopped():
                pass
            case Lost(why):
                # A worker that was frozen for so long joins as the last one. In its old place it would take lists from
                # their new owners.
                self._fleet.forget_place()
                log.warning("lease lost; the next owner adopts the claimed events", shard=shard, why=why)
            case Halted() as halted:
                self._end(halted)

    def _divide(self) -> None:
        """Divides the process's memory among its lists."""
        share = limits(self._process.settings, max(1, self._target, len(self._ownerships)))
        for ownership in self._ownerships.values():
            ownership.bound(share)
        if not self._over.done():
            self._condition.work()

    async def _leave(self) -> None:
        self._process.courier.pacer.granted(0.0, until=self._process.clock())
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT):
                await self._fleet.leave()
                for lease in (*self._asking.values(), *self._unreleased):
                    await lease.release()
        except (QueueError, TimeoutError) as error:
            why = "could not deregister; other workers take over when this one's entry expires"
            log.warning(why, error=str(error))
