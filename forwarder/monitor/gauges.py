"""The gauges of what belongs to everybody, whoever owns the lists: what waits, since when, how full Redis is."""

from collections.abc import Callable, Sequence

from forwarder.metrics import Metrics
from forwarder.monitor.history import PERIOD
from forwarder.monitor.waiting_age import WaitingAge
from forwarder.queue import Census, Memory

#: Seconds after which a server that nobody has heard of is no longer counted: a cluster may have lost it.
_FORGOTTEN = 60 * PERIOD


class Gauges:
    """Shown by every process in every state: who stands by or is halted would else show for ever what it saw last.

    Each shows the whole queue, so the highest over all processes is what is true, and never their sum.
    """

    def __init__(self, metrics: Metrics, lists: int, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._ages = [WaitingAge() for _ in range(lists)]
        self._memories: dict[str, tuple[float, Memory]] = {}

    def counted(self, censuses: Sequence[Census]) -> None:
        """Every list was counted just now."""
        metrics, now = self._metrics, self._clock()
        metrics.queue_waiting_events.set(sum(each.waiting for each in censuses))
        metrics.claimed_events.set(sum(each.claimed for each in censuses))
        metrics.dead_letters.set(sum(each.letters for each in censuses))
        metrics.imbalance.set(sum(each.imbalance for each in censuses))
        pairs = zip(self._ages, censuses, strict=True)
        ages = [each.observe(census.sequence, census.waiting, now) for each, census in pairs]
        metrics.oldest_waiting_age.set(max(ages))

    def told(self, memory: Memory) -> None:
        """A server said just now how full it is. Shown is the fullest one."""
        now = self._clock()
        self._memories[memory.server] = (now, memory)
        self._memories = {name: (at, it) for name, (at, it) in self._memories.items() if now - at <= _FORGOTTEN}
        fullest = max((it for _, it in self._memories.values()), key=lambda it: it.used / max(1, it.most))
        self._metrics.redis_used_memory.set(fullest.used)
        self._metrics.redis_max_memory.set(fullest.most)
