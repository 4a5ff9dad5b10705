"""Looks at what belongs to everybody, whoever owns the list: how much waits, since when, and how full Redis is.

A worker looks in every state. One that stands by or is halted would otherwise show for ever what it saw last.
"""

from collections.abc import Callable

from forwarder.arrivals import Arrivals
from forwarder.metrics import Metrics
from forwarder.queue import Records

#: Seconds between two questions how full Redis is: its answer is long, and it fills slowly.
_MEMORY_EVERY = 5.0


class Lookout:
    """Keeps the gauges of one list fresh."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._arrivals = Arrivals()
        self._asked = float("-inf")

    async def look(self, records: Records) -> None:
        """Counts once.

        Raises:
            UnreachableError: Redis does not serve; the gauges stay as they were.
            RolledBackError: a key of the list holds another type.
        """
        census, metrics = await records.census(), self._metrics
        metrics.queue_waiting_events.set(census.waiting)
        metrics.claimed_events.set(census.claimed)
        metrics.dead_letters.set(census.letters)
        metrics.imbalance.set(sum(map(abs, census.imbalances.values())))
        now = self._clock()
        metrics.oldest_waiting_age.set(self._arrivals.look(census.sequence, census.waiting, now))
        if now - self._asked >= _MEMORY_EVERY:
            self._asked = now
            memory = await records.memory()
            metrics.redis_used_memory.set(memory.used)
            metrics.redis_max_memory.set(memory.most)
