"""Replaying dead letters: in order, each at most once, a canary first, no faster than asked, edited on the way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from forwarder.dead_letters.canary import Canary, Findings
from forwarder.dead_letters.edit import Edit
from forwarder.dead_letters.letters import Letters, Pushed, Selection, Taken, Uncertain
from forwarder.errors import InvalidElementError
from forwarder.event import one_line, with_date
from forwarder.queue import DeadLetter


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was not replayed, and why."""

    id: str
    why: str


@dataclass(slots=True)
class Report:
    """What has been done so far.

    Attributes:
        replayed: letters that were pushed; in a dry run those that would be.
        taken: letters that somebody else replayed or deleted meanwhile.
        kept: letters that stay, as their edit came to no event, or as an older one of their user stays.
        canary: what became of the canary, once it is known.
    """

    replayed: int = 0
    taken: int = 0
    kept: list[Kept] = field(default_factory=list)
    canary: Findings | None = None

    @property
    def done(self) -> int:
        """Letters that were looked at."""
        return self.replayed + self.taken + len(self.kept)


@dataclass(frozen=True, slots=True)
class Terms:
    """How letters are replayed.

    Attributes:
        max_bytes: of an event.
        edit: applied to each element first. What it makes must be an event, or the letter stays.
        rate: letters a second; 0 is no limit.
        dry_run: everything but the push.
    """

    max_bytes: int
    edit: Edit | None = None
    rate: float = 0.0
    dry_run: bool = False


class Replay:
    """One replay of a selection.

    Args:
        letters: of the queue.
        terms: how.
        canary: sent first, and waited for.
        kept: told of each letter that stays.
        sleep, clock: of the rate.
    """

    def __init__(
        self,
        letters: Letters,
        terms: Terms,
        *,
        canary: Canary | None = None,
        kept: Callable[[Kept], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._letters = letters
        self._terms = terms
        self._canary = None if terms.dry_run else canary
        self._kept = kept
        self._sleep = sleep
        self._clock = clock
        self._held: set[str] = set()
        self._due = 0.0
        self.report = Report()
        #: The first element as it would be pushed.
        self.example: bytes | None = None

    async def run(self, selection: Selection, progress: Callable[[int], None] = lambda _: None) -> Report:
        """Replays the letters, oldest first, until all are done or the canary is refused.

        It can be cut off at any moment and run again: no letter is lost or pushed twice, and the order holds.

        Args:
            selection: which letters.
            progress: told how many letters are done, after each.
        """
        async for letter in self._letters.each(selection):
            await self._one(letter)
            progress(self.report.done)
            if self._canary is not None and self._canary.complete and not await self._is_well(self._canary):
                return self.report
        if self._canary is not None:
            await self._is_well(self._canary)
        return self.report

    async def _is_well(self, canary: Canary) -> bool:
        """Whether the canary was accepted, waiting for that if it is not known yet."""
        if self.report.canary is None:
            self.report.canary = await canary.findings()
        return self.report.canary.well

    async def _one(self, letter: DeadLetter) -> None:
        if letter.user_id in self._held:
            self._keep(letter, "an older letter of the same user stays")
            return
        try:
            element = await self._element(letter)
        except InvalidElementError as error:
            self._keep(letter, str(error))
            return
        self.example = self.example or element
        if self._terms.dry_run:
            self.report.replayed += 1
            return
        await self._pause()
        match await self._letters.replay(letter, element):
            case Taken():
                self.report.taken += 1
                return
            case Pushed(number):
                known: int | None = number
            case Uncertain():
                known = None
        self.report.replayed += 1
        if self._canary is not None and not self._canary.complete:
            self._canary.pushed(letter, element, known)

    def _keep(self, letter: DeadLetter, why: str) -> None:
        if letter.user_id:
            self._held.add(letter.user_id)
        kept = Kept(letter.id, why)
        self.report.kept.append(kept)
        self._kept(kept)

    async def _element(self, letter: DeadLetter) -> bytes:
        """What to push: with the date that the event was given when it was first claimed, if it has none."""
        most, edit = self._terms.max_bytes, self._terms.edit
        try:
            element = with_date(letter.element, letter.claimed_at, most)
        except InvalidElementError:  # perhaps the edit makes an event of it
            element = letter.element
        if edit is None:
            return element
        element = with_date(one_line(await edit(element)), letter.claimed_at, most)
        if misplaced := self._letters.misplaced(letter, element, most):
            raise InvalidElementError(misplaced)
        return element

    async def _pause(self) -> None:
        if self._terms.rate:
            now = self._clock()
            await self._sleep(max(0.0, self._due - now))
            # From now on, not from the start: what a canary has cost is not caught up with.
            self._due = max(self._due, now) + 1 / self._terms.rate
