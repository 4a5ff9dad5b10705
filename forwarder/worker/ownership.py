"""One ownership of a list: adopt, claim, dispatch, settle, and a single exit.

Everything here is discarded at the end. What is not settled stays claimed in Redis, and the next owner, often this
same process, adopts it. So a crash needs no special path.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from forwarder.config import Settings
from forwarder.errors import QueueError
from forwarder.pipeline.attempts import Attempts
from forwarder.pipeline.buffer.space import MOST_BACKING_OFF, Limits
from forwarder.pipeline.delivery import Delivery
from forwarder.pipeline.dispatch import Dispatch
from forwarder.pipeline.gate import Gate, Lost, Stopped
from forwarder.pipeline.intake import Intake
from forwarder.pipeline.recognition import Recognition
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.claims import Claims
from forwarder.queue.wire.connection import Redis
from forwarder.retry import Backoff, cancelled, first_of
from forwarder.worker.condition import OwnedList, Stopping
from forwarder.worker.process import Process

#: Seconds that releasing the lease may take.
_RELEASE_TIMEOUT = 2.0
#: Each list may have this many users who back off, however many lists there are, so that a few of them never stop the
#: claims of their list. Example: of 8 lists each may have 1,250, of 1,024 lists each 100.
_LEAST_BACKING_OFF = 100

log = structlog.get_logger()


def limits(settings: Settings, lists: int) -> Limits:
    """What one list may hold if the process divides its memory among this many lists."""
    return Limits(
        events=max(1, settings.max_buffered_events // lists),
        bytes=max(1, int(settings.max_buffered_bytes) // lists),
        events_per_post=settings.max_events_per_post,
        body_bytes=int(settings.max_body_bytes),
        linger=settings.linger,
        backing_off=max(_LEAST_BACKING_OFF, MOST_BACKING_OFF // lists),
        fill_first=not settings.rate_limit,
    )


class Ownership:
    """From just after the lease was acquired until it is released or lost.

    Args:
        blocking: a Redis client that is used for nothing but blocking waits.
        limits: this list's part of the process's memory.
    """

    def __init__(self, process: Process, shard: int, claims: Claims, blocking: Redis, limits: Limits) -> None:
        settings, metrics = process.settings, process.metrics
        self._settings = settings
        self._metrics = metrics
        self._clock = process.clock
        self._shard = shard
        self._lease = claims.lease
        self._availability = availability = process.availabilities.of(claims.lease.keys.list)
        #: Closing it ends the ownership; :meth:`run` then winds it down.
        self.gate = gate = Gate(claims.lease, margin=settings.request_timeout, clock=process.clock)
        longest = int(settings.max_event_bytes)
        self._stock = stock = Stock(
            claims,
            availability,
            limits=limits,
            body_limit=process.courier.body_limit,
            max_event_bytes=longest,
            clock=process.clock,
        )
        self._stocks = process.stocks
        self._stocks.add(stock)
        self.settler = settler = Settler(claims, gate, process.brake, stock, availability, process.pace, metrics)
        recognition = Recognition(claims, process.queue, gate, availability, max_event_bytes=longest)
        sleep = process.courier.pacer.backoffs.sleep
        backoff = Backoff(initial=settings.retry_initial, maximum=settings.retry_max, sleep=sleep)
        attempts = Attempts(process.courier, backoff, gate, stock)
        delivery = Delivery(attempts, stock, settler, gate, metrics, bisect=settings.bisect)
        self._dispatch = Dispatch(stock, attempts, delivery, gate)
        self._intake = Intake(claims, blocking, stock, settler, recognition, availability, metrics)
        #: What this process holds of the list, for the gauges and the status page.
        self.holds = OwnedList(stock, settler)

    def bound(self, limits: Limits) -> None:
        """From now on the list may use this part of the process's memory."""
        self._stock.bound(limits)

    async def run(self, stopping: Stopping) -> bool:
        """Owns the list until the gate is closed. Then settles what is decided, and releases the lease if it still can.

        Returns whether the lease was released.
        """
        try:
            await self._own(stopping)
        finally:
            # Not left to the garbage collector: until it comes, a list that is lost and owned again would be in memory
            # twice, and its users would count twice.
            self._stocks.discard(self._stock)
            self._stock.clear()
        return await self._release()

    async def _own(self, stopping: Stopping) -> None:
        async with asyncio.TaskGroup() as tasks:
            renewal = tasks.create_task(self._guarded(self._renew))
            settling = tasks.create_task(self._guarded(self.settler.run))
            others = [
                tasks.create_task(self._guarded(work))
                for work in (self._intake.run, partial(self._dispatch.run, tasks), partial(self._watch, stopping))
            ]
            ending = await self.gate.closed
            await cancelled(others)
            if not isinstance(ending, Lost):
                await self._wind_down(settling, stopping)
            await self._dispatch.cancel()
            await cancelled((renewal, settling))
        if self.gate.lost:
            # If that is only while winding down, the ending stays as it is: there is nothing left to do about it.
            self._metrics.lease_lost.inc()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        # The coroutine is made here: a task that is cancelled before its first step would leave it unawaited.
        with self.gate.losing():
            await work()

    async def _renew(self) -> None:
        # Often enough for the gate, which needs a whole request timeout of lease to stay open. With the defaults (30 s
        # lease, 10 s timeout): every 10 s.
        ttl = self._settings.lease_ttl
        pause = min(ttl / 3, (ttl - self._settings.request_timeout) / 2)
        while True:
            await asyncio.sleep(pause)
            await self._availability.until(self._lease.renew)
            self.gate.renewed()

    async def _watch(self, stopping: Stopping) -> None:
        await stopping.orderly.wait()
        self.gate.close(Stopped())

    async def _wind_down(self, settling: asyncio.Task[None], stopping: Stopping) -> None:
        """Lets POSTs in flight finish, for `drain_timeout` at most, and settles every outcome there is."""
        deadline = self._clock() + self._settings.drain_timeout
        await self._dispatch.drain(seconds=self._left(deadline), at_once=stopping.at_once)
        self.settler.close()
        await first_of(asyncio.wait({settling}, timeout=self._left(deadline)), stopping.at_once)

    def _left(self, deadline: float) -> float:
        """Seconds until the deadline, but at least 1, so that a settlement has a chance."""
        return max(1.0, deadline - self._clock())

    async def _release(self) -> bool:
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                await self._lease.release()
        except (QueueError, TimeoutError) as error:
            why = "could not release the lease; the next owner waits until it expires"
            log.warning(why, shard=self._shard, error=str(error))
            return False
        return True
