"""The first few letters of a replay, and whether the API accepts them now."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from forwarder.dead_letters.letter import order
from forwarder.dead_letters.letters import Letters
from forwarder.queue import DeadLetter, Undecided

#: Seconds between two looks: the first, and the longest.
_SOON, _LATER = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class RefusedAgain:
    """A letter of the canary that was refused again: the new letter, and the old one's id."""

    letter: DeadLetter
    was: str


@dataclass(slots=True)
class Findings:
    """What became of the canary.

    Attributes:
        sent: how many letters it had.
        refused: those that are dead letters again.
        stopped: why it is not known what became of the others; empty if it is.
        halted: whether that is a halt.
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
    """Letters that are waited for.

    Nothing in Redis says of an accepted event that it was. But an event's sequence number is known when it is
    pushed, and what has been claimed and is claimed no more has been decided: accepted, or a new letter with the
    bytes that were pushed.

    Args:
        letters: of the queue.
        size: so many letters.
        after: Redis' time before the first push, in milliseconds, and the id of the newest letter that is meant:
            what is refused again comes after both.
        timeout: seconds until it is given up.
        tell: told at each look what is not decided.
        sleep, clock: of the looks.
    """

    def __init__(
        self,
        letters: Letters,
        *,
        size: int,
        after: tuple[int, str],
        timeout: float,
        tell: Callable[[Undecided], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._letters = letters
        self._size = size
        self._started, newest = after
        self._newest = order(newest)
        self._timeout = timeout
        self._tell = tell
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
        """Waits until each letter is decided, one is refused, or it makes no sense to wait any longer."""
        deadline = self._clock() + self._timeout
        pause = _SOON
        while True:
            undecided = await self._letters.undecided(self._numbers) if self._numbers else Undecided(0, 0, 0)
            self._tell(undecided)
            # After that look: a letter is made by what ends the claim, in one step.
            found = Findings(len(self._numbers), await self._refused())
            if found.refused or not undecided.waiting + undecided.claimed:
                return found
            found.stopped = await self._why_not(undecided, found, late=self._clock() >= deadline)
            if found.stopped:
                return found
            await self._sleep(pause)
            pause = min(2 * pause, _LATER)

    async def _refused(self) -> list[RefusedAgain]:
        return [
            RefusedAgain(letter, self._was[letter.element])
            async for letter in self._letters.since(self._started)
            if letter.element in self._was and order(letter.id) > self._newest
        ]

    async def _why_not(self, undecided: Undecided, found: Findings, *, late: bool) -> str:
        """Why there is no sense in waiting on; empty if there is."""
        halt = await self._letters.halt()
        if halt is not None:
            found.halted = True
            return f"halted: {halt.reason}: {halt.detail}"
        if undecided.sequence < self._sequence:
            return "Redis went back in time (a failover): it cannot be told what became of it"
        self._sequence = undecided.sequence
        if not late:
            return ""
        if undecided.waiting:
            return f"{undecided.waiting} still wait after {self._timeout:g} s: does a worker drain the list?"
        return f"{undecided.claimed} are claimed and not decided after {self._timeout:g} s: the log says why"
