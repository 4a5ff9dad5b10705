"""What a process knows about its queue: read every five seconds, kept for 15 minutes, logged once a minute."""

import asyncio
from collections.abc import Callable

import structlog

from forwarder.metrics import Metrics
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import PERIOD, History, Sample
from forwarder.monitor.summary import Summary, Values, total
from forwarder.monitor.watch import SAMPLED, Seen, Watch
from forwarder.queue.census import Census
from forwarder.queue.queue import Queue

log = structlog.get_logger()


class Monitor:
    """One per process. Its memory is bounded, and so is the load that it puts on Redis.

    Args:
        state: what the worker is doing, for the log.
        clock: seconds, monotonic.
    """

    def __init__(self, queue: Queue, metrics: Metrics, *, state: Callable[[], str], clock: Callable[[], float]) -> None:
        self.watch = Watch(queue, Gauges(metrics, len(queue.lists), clock), clock)
        self.history = History()
        self.clock = clock
        self._metrics = metrics
        self._state = state

    async def run(self) -> None:
        """Takes a sample every five seconds, for ever, so that the charts are there when the page is opened.

        Logs a summary once a minute.
        """
        summary = Summary(self.clock(), self._metrics.values())
        while True:
            seen, values = await self.watch.refresh(max_age=SAMPLED), self._metrics.values()
            self.history.add(self.sample(seen, values))
            if line := summary.line(self.clock(), values):
                log.info("summary", state=self._state(), **line)
            await asyncio.sleep(PERIOD)

    async def close(self) -> None:
        """Cancels a read of Redis that is under way."""
        await self.watch.close()

    def sample(self, seen: Seen | None, values: Values) -> Sample:
        """The present figures. What Redis said more than `PERIOD` ago counts as unknown."""
        now = self.clock()
        census = seen.census if seen is not None and now - seen.at <= PERIOD else None
        return Sample(
            at=now,
            backlog=None if census is None else census.backlog,
            accepted=None if census is None else census.accepted,
            counted=None if seen is None else seen.counted,
            oldest=_oldest(census, values),
            posts=total(values, "posts_total"),
            posted_events=values["post_events_sum"][""],
            batches=values["post_events_count"][""],
            retries=total(values, "retries_total"),
            answers=values.get("posts_total", {}),
        )


def _oldest(census: Census | None, values: Values) -> float | None:
    """The age of the oldest event, in seconds. The age of claimed events is known only to the worker that owns them."""
    waiting = values["oldest_waiting_age_seconds"][""]
    if total(values, "lease_held"):
        return max(values["oldest_claimed_age_seconds"][""], waiting)
    return waiting if census is not None and census.waiting else None
