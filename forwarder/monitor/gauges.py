"""The gauges of the whole queue, whichever workers own its lists: what waits, since when, how full Redis is."""

from collections.abc import Callable, Sequence

from forwarder.metrics import Metrics
from forwarder.monitor.history import PERIOD
from forwarder.monitor.waiting_age import WaitingAge
from forwarder.queue.census import Census, Memory

#: A Redis server that has not been measured for this many seconds, 300, no longer counts: it may have left the cluster.
_FORGOTTEN = 60 * PERIOD


class Gauges:
    """Every process updates these gauges in every state. Otherwise a process that is halted would show old values.

    Each process shows the whole queue, so take the maximum over all processes, never the sum.
    """

    def __init__(self, metrics: Metrics, lists: int, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._ages = [WaitingAge() for _ in range(lists)]
        self._memories: dict[str, tuple[float, Memory]] = {}
        #: The memory of the fullest server; None before one was measured.
        self.fullest: Memory | None = None

    def counted(self, censuses: Sequence[Census], at: float) -> None:
        """To be called with the counts of every list, and when they were made. The same ones may come again."""
        metrics = self._metrics
        metrics.backlog_events.set(sum(each.backlog for each in censuses))
        metrics.queue_waiting_events.set(sum(each.waiting for each in censuses))
        metrics.claimed_events.set(sum(each.claimed for each in censuses))
        metrics.dead_letters.set(sum(each.letters for each in censuses))
        metrics.imbalance.set(sum(each.imbalance for each in censuses))
        pairs = zip(self._ages, censuses, strict=True)
        ages = [each.observe(census.sequence, census.waiting, at) for each, census in pairs]
        metrics.oldest_waiting_age.set(max(ages))

    def measured(self, memory: Memory) -> None:
        """To be called with the memory of one server. The gauges show the fullest one: 90 of 100, not 500 of 1,000."""
        now = self._clock()
        self._memories[memory.server] = (now, memory)
        self._memories = {name: (at, it) for name, (at, it) in self._memories.items() if now - at <= _FORGOTTEN}
        self.fullest = max((it for _, it in self._memories.values()), key=lambda it: it.part)
        self._metrics.redis_used_memory.set(self.fullest.used)
        self._metrics.redis_max_memory.set(self.fullest.most)
