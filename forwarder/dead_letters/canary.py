"""The first few letters of a replay, and whether the API accepts them now."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from forwarder.dead_letters.letter import order
from forwarder.dead_letters.letters import Letters
from forwarder.queue.census import Undecided
from forwarder.queue.letters import DeadLetter

#: Seconds between the first two polls.
_FIRST_POLL = 0.05
#: Longest time between two polls, in seconds.
_LONGEST_POLL = 1.0


@dataclass(frozen=True, slots=True)
class RefusedAgain:
    """A letter of the canary that was refused again: the new letter, and the ID of the old one."""

    letter: DeadLetter
    was: str


@dataclass(slots=True)
class Findings:
    """The outcome of the canary.

    Attributes:
        sent: how many letters it had.
        refused: the letters that are dead letters again.
        stopped: why the outcome of the others is not known; empty if it is known.
        halted: whether a halt is the reason.
    """

    sent: int
    refused: list[RefusedAgain] = field(default_factory=list)
    stopped: str = ""
    halted: bool = False

    @property
    def well(self) -> bool:
        """Whether every letter was accepted."""
        return not self.refused and not self.stopped


class Canary:
    """The first letters of a replay, whose outcome is awaited.

    Redis does not record which events were accepted. But the sequence number of an event is known when it is pushed,
    and an event that was claimed and is not claimed any more has been decided: it was accepted, or it is a new letter
    with the bytes that were pushed.

    Args:
        letters: the dead letters of the queue.
        size: how many letters the canary has.
        after: Redis' time before the first push, in milliseconds, and the ID of the newest selected letter. A letter
            that is refused again is newer than both.
        timeout: seconds after which the wait ends.
        progress: called at each poll with what is not decided yet.
        sleep, clock: used to poll.
    """

    def __init__(
        self,
        letters: Letters,
        *,
        size: int,
        after: tuple[int, str],
        timeout: float,
        progress: Callable[[Undecided], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._letters = letters
        self._size = size
        self._started, newest = after
        self._newest = order(newest)
        self._timeout = timeout
        self._progress = progress
        self._sleep = sleep
        self._clock = clock
        self._was: dict[bytes, str] = {}
        self._numbers: list[tuple[int, int]] = []
        self._sequence = 0

    @property
    def complete(self) -> bool:
        """Whether it has all its letters."""
        return len(self._numbers) >= self._size

    def pushed(self, letter: DeadLetter, element: bytes, number: int | None) -> None:
        """Adds a letter that was pushed under this sequence number. If that is unknown, it does not count as one."""
        self._was[element] = letter.id
        if number is not None:
            self._numbers.append((letter.shard, number))

    async def findings(self) -> Findings:
        """Waits until every letter is decided, one is refused, or waiting longer makes no sense."""
        deadline = self._clock() + self._timeout
        pause = _FIRST_POLL
        while True:
            undecided = await self._letters.undecided(self._numbers) if self._numbers else Undecided(0, 0, 0)
            self._progress(undecided)
            # After that poll, because the step that ends the claim also makes the new letter.
            found = Findings(len(self._numbers), await self._refused())
            if found.refused or not undecided.waiting + undecided.claimed:
                return found
            found.stopped = await self._why_not(undecided, found, late=self._clock() >= deadline)
            if found.stopped:
                return found
            await self._sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL)

    async def _refused(self) -> list[RefusedAgain]:
        return [
            RefusedAgain(letter, self._was[letter.element])
            async for letter in self._letters.since(self._started)
            if letter.element in self._was and order(letter.id) > self._newest
        ]

    async def _why_not(self, undecided: Undecided, found: Findings, *, late: bool) -> str:
        """Why waiting longer makes no sense; empty if it does."""
        halt = await self._letters.halt()
        if halt is not None:
            found.halted = True
            return f"halted: {halt.reason}: {halt.detail}"
        if undecided.sequence < self._sequence:
            return "Redis went back in time (a failover), so the outcome of the canary cannot be known"
        self._sequence = undecided.sequence
        if not late:
            return ""
        if undecided.waiting:
            return f"{undecided.waiting} still wait after {self._timeout:g} s: is a worker draining the list?"
        return f"{undecided.claimed} are claimed but not decided after {self._timeout:g} s: see the worker's log"
