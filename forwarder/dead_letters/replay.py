"""Replays dead letters: in order, each at most once, a canary first, at a limited rate, and edited if asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from forwarder.dead_letters.canary import Canary, Findings
from forwarder.dead_letters.edit import Edit
from forwarder.dead_letters.letters import Letters, Pushed, Taken, Uncertain
from forwarder.dead_letters.selection import Selection
from forwarder.errors import InvalidElementError
from forwarder.event import decode, one_line, with_date
from forwarder.queue.letters import DeadLetter
from forwarder.queue.sharding import shard_of


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was not replayed, and why."""

    id: str
    why: str


@dataclass(slots=True)
class Report:
    """The progress of a replay.

    Attributes:
        replayed: letters that were pushed; in a dry run, those that would be.
        taken: letters that somebody else replayed or deleted meanwhile.
        kept: letters that stay, because their edit did not result in an event, or because an older letter of the
            same user stays.
        canary: the outcome of the canary, once it is known.
    """

    replayed: int = 0
    taken: int = 0
    kept: list[Kept] = field(default_factory=list)
    canary: Findings | None = None

    @property
    def done(self) -> int:
        """Letters that were handled."""
        return self.replayed + self.taken + len(self.kept)


@dataclass(frozen=True, slots=True)
class Terms:
    """How letters are replayed.

    Attributes:
        max_bytes: the length limit of an event.
        edit: applied to each element first. If the result is not an event, the letter stays.
        rate: letters per second; 0 means no limit.
        dry_run: do everything except the push.
    """

    max_bytes: int
    edit: Edit | None = None
    rate: float = 0.0
    dry_run: bool = False


class Replay:
    """One replay of a selection.

    Args:
        letters: the dead letters of the queue.
        terms: how to replay them.
        canary: the letters to send first and to wait for.
        kept: called with each letter that stays.
        sleep, clock: used to keep the rate.
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

        It may be interrupted at any moment and run again: no letter is lost or pushed twice, and the order holds.

        Args:
            selection: which letters to replay.
            progress: called after each letter with the number of letters that are done.
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
        """Whether the canary was accepted. Waits for the outcome if it is not known yet."""
        if self.report.canary is None:
            self.report.canary = await canary.findings()
        return self.report.canary.well

    async def _one(self, letter: DeadLetter) -> None:
        if letter.user_id in self._held:
            self._keep(letter, "an older letter of the same user stays")
            return
        if letter.is_cut:
            self._keep(letter, f"it is {letter.size:,} bytes long; `forwarder dead show` explains it")
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
        """The element to push. If it has no date, it gets the time at which its event was first claimed."""
        most, edit = self._terms.max_bytes, self._terms.edit
        try:
            element = with_date(letter.element, letter.claimed_at)
        except InvalidElementError:  # perhaps the edit will turn it into an event
            element = letter.element
        if edit is None:
            return element
        element = with_date(one_line(await edit(element)), letter.claimed_at)
        # The list of an edited event follows from the number of lists. That of any other event is where its letter is.
        await self._letters.agree()
        shard = shard_of(decode(element, max_bytes=most).user, self._letters.shards)
        if shard != letter.shard:
            moved = f"its user now belongs to shard {shard}, not {letter.shard}"
            raise InvalidElementError(f"{moved}: export the letter, edit the event, and push it")
        return element

    async def _pause(self) -> None:
        if self._terms.rate:
            now = self._clock()
            await self._sleep(max(0.0, self._due - now))
            # Counted from now, not from the start: the time spent waiting for a canary is not made up for.
            self._due = max(self._due, now) + 1 / self._terms.rate
