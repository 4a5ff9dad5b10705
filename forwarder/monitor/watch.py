"""What Redis knows. It is read at most once a second, however many pages are open, and nobody waits for it for long."""

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
from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue

#: Seconds before Redis is read again.
_FRESH = 1.0
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
    halt: HaltRecord | None
    #: The workers' names by their ids.
    workers: Mapping[str, str]
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
        self._refreshing: asyncio.Task[None] | None = None
        self._memory_asked = float("-inf")
        #: In a cluster every list may be on another server, so each gets its turn.
        self._memory_of = itertools.cycle(queue.lists)
        #: None until Redis has answered for the first time.
        self.seen: Seen | None = None
        #: Why Redis did not answer the latest read; None if it did.
        self.problem: str | None = None

    async def refresh(self, *, with_letters: bool = False, patience: float = _PATIENCE) -> Seen | None:
        """What is known now: at most a second old if Redis answers, otherwise what it said last.

        Args:
            with_letters: whether to read the latest dead letters too.
            patience: seconds to wait for Redis.
        """
        if self._refreshing is None and not self._fresh(with_letters=with_letters):
            self._refreshing = asyncio.create_task(self._ask(with_letters=with_letters))
            self._refreshing.add_done_callback(self._refreshed)
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing}, timeout=patience)
        return self.seen

    def forget(self) -> None:
        """Makes the next :meth:`refresh` read Redis again, because an action has changed something."""
        if self.seen is not None:
            self.seen = replace(self.seen, at=float("-inf"), letters_at=float("-inf"))

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

    def _fresh(self, *, with_letters: bool) -> bool:
        seen = self.seen
        if seen is None or self._clock() - seen.at >= _FRESH:
            return False
        return not with_letters or not self._letters_due(seen)

    def _letters_due(self, seen: Seen) -> bool:
        return seen.letters_counted != _counts(seen.census) and self._clock() - seen.letters_at >= _LETTERS

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
        """Rare, because the reply is long and memory fills slowly. Where an ACL forbids INFO, memory stays unknown."""
        if self._clock() - self._memory_asked >= PERIOD:
            self._memory_asked = self._clock()
            with suppress(ForwarderError):
                self._gauges.measured(await next(self._memory_of).memory())

    async def _read_letters(self, seen: Seen) -> Seen:
        """The letters, or why they cannot be read. A Redis user who may not read them must still see the rest."""
        now = self._clock()
        try:
            latest = await letters.read(self._queue)
        except ForwarderError as error:
            return replace(seen, letters_at=now, letters_problem=str(error))
        return replace(seen, letters=latest, letters_at=now, letters_counted=_counts(seen.census), letters_problem=None)


def _counts(census: Census) -> tuple[int, ...]:
    """Changes whenever a letter comes or goes."""
    return (census.letters, census.dead_lettered, census.replayed, census.deleted)
