"""What Redis knows. It is read at most once a second, however many pages are open, and nobody waits for it for long."""

import asyncio
import itertools
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce

import structlog

from forwarder.diagnosis.trend import Trend, trend
from forwarder.errors import ForwarderError
from forwarder.monitor import latest_letters as letters
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import PERIOD
from forwarder.monitor.latest_letters import Latest
from forwarder.queue.about import About
from forwarder.queue.census import Census, Memory
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.queue.totals import Totals

#: Seconds before Redis is read again.
_FRESH = 1.0
#: Seconds that counts may be old in a sample. Less than a period, so that each sample has other counts than the last.
SAMPLED = PERIOD - 0.5
#: Lists that are counted per second at most, by all processes together. Up to 200 lists are counted every second if
#: somebody looks. With 1,000 lists counts are up to 4.5 s old.
_COUNTED = 200
#: Rows of workers that each process reads per second at most while nobody looks, for what the log says. A large fleet
#: reads the rows of all its workers ten times a second. In a small one each worker reads them every five seconds.
_ROWS = 10
#: Seconds that a caller waits for Redis. After that it gets what was read last.
_PATIENCE = 1.0
#: Seconds before the dead letters are read again, which costs more than counting.
_LETTERS = 2.0

log = structlog.get_logger()

_NOTHING = Latest()


@dataclass(frozen=True, slots=True)
class Seen:
    """What Redis said, and when (seconds, monotonic)."""

    at: float
    #: Of each list, by shard.
    censuses: tuple[Census, ...]
    totals: Totals
    halt: HaltRecord | None
    pause: HaltRecord | None
    #: When the lists were counted, by this process or another one.
    counted: float
    #: Seconds that the counts were allowed to be old.
    max_age: float
    #: The workers by their IDs, and when they and the past were read. Each has a row, so samples read them rarely.
    workers: Mapping[str, About] = field(default_factory=dict)
    workers_at: float = float("-inf")
    trend: Trend = field(default_factory=Trend)
    #: Keys that hold something else than what is to be shown.
    foreign: tuple[str, ...] = ()
    #: Of the fullest server; None if that is not known.
    memory: Memory | None = None
    letters: Latest = _NOTHING
    #: When the letters were read last.
    letters_at: float = float("-inf")
    #: The counts of letters at that time. If they are the same now, so are the letters.
    letters_counted: tuple[int, ...] = ()
    #: Why the letters cannot be read; None if they can.
    letters_problem: str | None = None

    @property
    def census(self) -> Census:
        """All lists together."""
        return reduce(operator.add, self.censuses)


class Watch:
    """Sends one command at a time. So a Redis that hangs costs one connection, however often the page is requested."""

    def __init__(self, queue: Queue, gauges: Gauges, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._gauges = gauges
        self._clock = clock
        self._fresh_counts = min(SAMPLED, max(_FRESH, len(queue.lists) / _COUNTED))
        self._changed = False
        self._refreshing: asyncio.Task[None] | None = None
        self._memory_asked = float("-inf")
        #: In a cluster every list may be on another server, so each gets its turn.
        self._memory_of = itertools.cycle(queue.lists)
        #: None until Redis has answered for the first time.
        self.seen: Seen | None = None
        #: Why Redis did not answer the latest read; None if it did.
        self.problem: str | None = None

    async def refresh(
        self, *, in_full: bool = False, max_age: float | None = None, patience: float = _PATIENCE
    ) -> Seen | None:
        """What is known now: at most a second old if Redis answers, otherwise what it said last.

        Args:
            in_full: whether to read the workers and the latest dead letters too, which costs more than counting.
                Without it, the workers are read again when they are five seconds old, or older in a large fleet.
            max_age: seconds that the counts of the lists may be old; by default one, or more if there are many lists.
            patience: seconds to wait for Redis.
        """
        max_age = self._fresh_counts if max_age is None else max_age
        before, until = self._refreshing, self._clock() + patience
        await self._refreshed_once(max_age, in_full=in_full, patience=patience)
        if in_full and before is not None and before.done():  # that was a sample, which reads less
            await self._refreshed_once(max_age, in_full=True, patience=until - self._clock())
        return self.seen

    async def _refreshed_once(self, max_age: float, *, in_full: bool, patience: float) -> None:
        if self._refreshing is None and not self._fresh(max_age, in_full=in_full):
            self._refreshing = asyncio.create_task(self._ask(max_age, in_full=in_full))
            self._refreshing.add_done_callback(self._refreshed)
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing}, timeout=patience)

    def forget(self) -> None:
        """Makes the next :meth:`refresh` count the lists again, because an action has changed something."""
        self._changed = True

    async def close(self) -> None:
        """Cancels a read that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled() and task.exception() is not None:
            self.problem = "a reply of Redis could not be understood; see the log"
            log.error("the monitor could not understand a reply of Redis", exc_info=task.exception())

    def _fresh(self, max_age: float, *, in_full: bool) -> bool:
        seen, now = self.seen, self._clock()
        if seen is None or self._changed or now - seen.at >= _FRESH or seen.max_age > max_age:
            return False
        return not in_full or (now - seen.workers_at < _FRESH and not self._letters_due(seen))

    def _letters_due(self, seen: Seen) -> bool:
        changed = seen.letters_counted != _counts(seen.census) or not seen.letters.exact
        return changed and self._clock() - seen.letters_at >= _LETTERS

    async def _ask(self, max_age: float, *, in_full: bool) -> None:
        changed, self._changed = self._changed, False
        # Letters that are shown for the first time must not be more than were counted.
        anew = changed or (in_full and (self.seen is None or not self.seen.letters_counted))
        try:
            seen = await self._read(0.0 if anew else max_age)
            if in_full:
                seen = await self._with_fleet(seen)
        except ForwarderError as error:
            self._changed |= changed
            self.problem = str(error)
            return
        self.problem = None
        self._gauges.counted(seen.censuses, seen.counted)
        if not in_full and self._clock() - seen.workers_at >= max(PERIOD, len(seen.workers) / _ROWS):
            with suppress(ForwarderError):  # what is counted can be shown without it
                seen = await self._with_fleet(seen)
        seen = replace(seen, memory=await self._memory())
        if changed:
            seen = replace(seen, letters_at=float("-inf"))
        self.seen = await self._read_letters(seen) if in_full and self._letters_due(seen) else seen

    async def _read(self, max_age: float) -> Seen:
        """The counts, unless those that are known are young enough, and the halt or pause."""
        seen = self.seen
        if seen is None or self._clock() - seen.counted >= max_age:
            found = await self._queue.counted(max_age)
            counted, censuses, totals = self._clock() - found.age, found.censuses, found.totals
        else:
            counted, censuses, totals = seen.counted, seen.censuses, seen.totals
        (halt, _, pause), now = await self._queue.orders(), self._clock()
        before = seen or Seen(now, censuses, totals, halt, pause, counted, max_age)
        before = replace(before, censuses=censuses, totals=totals, counted=counted, max_age=max_age)
        return replace(before, at=now, halt=halt, pause=pause)

    async def _with_fleet(self, seen: Seen) -> Seen:
        """With the workers, and with what has happened lately."""
        workers = await self._queue.workers()
        lately = trend(await self._queue.past(), seen.totals)
        foreign = await self._queue.foreign()
        return replace(seen, workers=workers, workers_at=self._clock(), trend=lately, foreign=foreign)

    async def _memory(self) -> Memory | None:
        """Of the fullest server. It is measured rarely, because the reply is long and memory fills slowly.

        Where an ACL forbids INFO, memory stays unknown.
        """
        if self._clock() - self._memory_asked >= PERIOD:
            self._memory_asked = self._clock()
            with suppress(ForwarderError):
                self._gauges.measured(await next(self._memory_of).memory())
        return self._gauges.fullest

    async def _read_letters(self, seen: Seen) -> Seen:
        """The letters, or why they cannot be read. A Redis user who may not read them must still see the rest."""
        now = self._clock()
        try:
            latest = await letters.read(self._queue, seen.censuses, seen.letters)
        except ForwarderError as error:
            return replace(seen, letters_at=now, letters_problem=str(error))
        return replace(seen, letters=latest, letters_at=now, letters_counted=_counts(seen.census), letters_problem=None)


def _counts(census: Census) -> tuple[int, ...]:
    """Changes whenever a letter comes or goes."""
    return (census.letters, census.dead_lettered, census.replayed, census.deleted)
