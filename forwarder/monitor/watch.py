"""What Redis knows, asked at most once a second however many pages are open, and never waited for long."""

import asyncio
import itertools
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce

import structlog

from forwarder.errors import ForwarderError
from forwarder.monitor import latest_letters as letters
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import PERIOD
from forwarder.monitor.latest_letters import Latest
from forwarder.queue import Census, HaltRecord, Queue

#: Seconds for which what was seen is new enough.
_FRESH = 1.0
#: Seconds that whoever asks waits for Redis; then it is told what was seen last.
_PATIENCE = 1.0
#: Seconds between two readings of the dead letters, which cost more than counting.
_LETTERS = 2.0

log = structlog.get_logger()

_NOTHING = Latest()


@dataclass(frozen=True, slots=True)
class Seen:
    """What Redis said, and when (monotonic)."""

    at: float
    #: Of each list, by shard.
    censuses: tuple[Census, ...]
    halt: HaltRecord | None
    #: The workers' names by their ids.
    workers: Mapping[str, str]
    letters: Latest = _NOTHING
    #: When the letters were read last, how it stood then, and why they cannot be read now.
    letters_at: float = float("-inf")
    letters_stood: tuple[int, ...] = ()
    letters_problem: str | None = None

    @property
    def census(self) -> Census:
        """All lists together."""
        return reduce(operator.add, self.censuses)


class Watch:
    """Asks by one command at a time: a Redis that hangs costs one connection, whatever is asked of the page."""

    def __init__(self, queue: Queue, gauges: Gauges, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._gauges = gauges
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None
        self._memory_asked = float("-inf")
        #: In a cluster every list may be on another server, so each is asked in its turn.
        self._memory_of = itertools.cycle(queue.lists)
        #: None until Redis has answered for the first time.
        self.seen: Seen | None = None
        #: Why Redis did not answer when it was last asked; None when it did.
        self.problem: str | None = None

    async def look(self, *, with_letters: bool = False, patience: float = _PATIENCE) -> Seen | None:
        """What is known now: at most a second old if Redis answers, else what it said last."""
        if self._looking is None and not self._fresh(with_letters=with_letters):
            self._looking = asyncio.create_task(self._ask(with_letters=with_letters))
            self._looking.add_done_callback(self._looked)
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=patience)
        return self.seen

    def forget(self) -> None:
        """What was seen is old: an action has changed it."""
        if self.seen is not None:
            self.seen = replace(self.seen, at=float("-inf"), letters_at=float("-inf"))

    async def close(self) -> None:
        """Ends a question that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled() and task.exception() is not None:
            self.problem = "what Redis answered could not be understood: see the log"
            log.error("the status page cannot read Redis", exc_info=task.exception())

    def _fresh(self, *, with_letters: bool) -> bool:
        seen = self.seen
        if seen is None or self._clock() - seen.at >= _FRESH:
            return False
        return not with_letters or not self._letters_due(seen)

    def _letters_due(self, seen: Seen) -> bool:
        return seen.letters_stood != _stand(seen.census) and self._clock() - seen.letters_at >= _LETTERS

    async def _ask(self, *, with_letters: bool) -> None:
        try:
            censuses = tuple(await self._queue.censuses())
            halt = await self._queue.halt()
            workers = await self._queue.workers()
        except ForwarderError as error:
            self.problem = str(error)
            return
        self.problem = None
        self._gauges.counted(censuses)
        await self._ask_memory()
        now = self._clock()
        before = self.seen or Seen(now, censuses, halt, workers)
        seen = replace(before, at=now, censuses=censuses, halt=halt, workers=workers)
        self.seen = await self._read_letters(seen) if with_letters and self._letters_due(seen) else seen

    async def _ask_memory(self) -> None:
        """The answer is long and memory fills slowly, so now and then. Unknown where an ACL forbids the question."""
        if self._clock() - self._memory_asked >= PERIOD:
            self._memory_asked = self._clock()
            with suppress(ForwarderError):
                self._gauges.told(await next(self._memory_of).memory())

    async def _read_letters(self, seen: Seen) -> Seen:
        """The letters, or why they cannot be read: a Redis user without the right to must still see the rest."""
        now = self._clock()
        try:
            latest = await letters.read(self._queue)
        except ForwarderError as error:
            return replace(seen, letters_at=now, letters_problem=str(error))
        return replace(seen, letters=latest, letters_at=now, letters_stood=_stand(seen.census), letters_problem=None)


def _stand(census: Census) -> tuple[int, ...]:
    """Changes whenever a letter comes or goes."""
    return (census.letters, census.dead_lettered, census.replayed, census.deleted)
