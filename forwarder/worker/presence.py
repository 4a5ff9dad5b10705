"""What people see of this worker, written with each heartbeat, and once a second while it has none."""

import asyncio
from collections import deque
from contextlib import suppress

from forwarder import __version__
from forwarder.errors import ForwarderError
from forwarder.queue.about import About
from forwarder.queue.fleet import Fleet
from forwarder.worker.condition import Condition
from forwarder.worker.process import Process

#: Seconds over which accepted events are counted. Settlements come in groups, so one second would jump.
_LATELY = 10.0
#: Seconds that showing this worker may take. It is for people, and stopping must not wait for a Redis that hangs.
_PATIENCE = 1.0


class Presence:
    """What people see of this worker.

    Args:
        fleet: where it is written.
        condition: what the worker is doing.
    """

    def __init__(self, process: Process, fleet: Fleet, condition: Condition) -> None:
        self.fleet = fleet
        self._process = process
        self._condition = condition
        self._started = process.clock()
        #: When, and how many events had been accepted then.
        self._counts: deque[tuple[float, float]] = deque()
        self._due = float("-inf")
        self._is_shown = False

    @property
    def about(self) -> About:
        """This worker as it is now. To be read once per report."""
        process, condition, now = self._process, self._condition, self._process.clock()
        readiness = condition.readiness
        return About(
            name=process.name,
            version=__version__,
            uptime=round(now - self._started, 1),
            state=readiness.state,
            reason=readiness.reason,
            lists=len(condition.owned),
            accepted=self._accepted(now),
            oldest=self._oldest,
            silence=process.courier.pacer.silence(now),
            refused=process.brake.suspicion,
        )

    async def show(self) -> None:
        """Reports that this worker runs though it has no place: it is halted, or finishes what is in flight.

        Call it every second: in a large fleet not each call reports. Nothing depends on it, so a problem of Redis is
        left to others.
        """
        if self._process.clock() < self._due:
            return
        with suppress(ForwarderError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                self._is_shown = True
                # A little less: the next call may come a moment early.
                self._due = self._process.clock() + await self.fleet.describe(self.about) - 0.1

    async def withdraw(self) -> None:
        """This worker stops. Does nothing if it has left already."""
        if self._is_shown:
            self._is_shown = False
            with suppress(ForwarderError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self.fleet.leave()

    def _accepted(self, now: float) -> float | None:
        """Events per second that the API accepted in the last ten seconds."""
        process, counts = self._process, self._counts
        counts.append((now, process.metrics.value(process.metrics.events_accepted)))
        while len(counts) > 1 and now - counts[1][0] >= _LATELY:
            counts.popleft()
        (before, old), (_, new) = counts[0], counts[-1]
        return round((new - old) / (now - before), 1) if now > before else None

    @property
    def _oldest(self) -> float | None:
        """Seconds since the oldest event that this process knows of was claimed, or was first seen to wait."""
        metrics = self._process.metrics
        ages = [each.oldest_age for each in self._condition.owned.values()]
        oldest = max((*ages, metrics.value(metrics.oldest_waiting_age)))
        return round(oldest, 1) if oldest else None
