"""Dead letters, for people: which there are, which are meant, one by its id, and taking them out.

With several lists a letter's id begins with its shard: ``3/1726077863000-0``. :class:`Letters` is the one place that
walks over the letters of all lists and finds one by its id.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from forwarder.dead_letters.letter import id_in_list, order, with_shard
from forwarder.event import decode, name_of
from forwarder.queue import DeadLetter, HaltRecord, ListLetters, Queue, Side, Undecided
from forwarder.queue.sharding import shard_of
from forwarder.retry import patiently

#: Letters read in one round trip.
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; None means any. Ages are seconds since the event became a dead letter."""

    reason: str | None = None
    status: str | None = None
    user: str | None = None
    name: str | None = None
    older: float | None = None
    newer: float | None = None
    limit: int | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether everything that is set is as it is in `letter`, but for the age."""
        return (
            self.reason in (None, letter.reason)
            and self.status in (None, letter.status)
            and self.user in (None, letter.user_id)
            and (self.name is None or self.name == name_of(letter.element))
        )

    def span(self, now: int) -> tuple[str, str]:
        """The first and the last id, by age, at a time in milliseconds."""
        first = "-" if self.newer is None else str(max(0, now - round(self.newer * 1_000)))
        last = "+" if self.older is None else str(max(0, now - round(self.older * 1_000)))
        return first, last


@dataclass(frozen=True, slots=True)
class Selection:
    """The letters that are meant, settled once: what becomes a dead letter later is not meant.

    Attributes:
        which: by what they were chosen, if not by ids.
        ids: their ids, if it was by those.
        first, last: no id before and after these is meant.
        reasons: how many there were for each reason.
        missing: how many ids were given that are no letters.
    """

    which: Filter
    ids: tuple[str, ...] | None
    first: str
    last: str
    reasons: Mapping[str, int]
    missing: int = 0

    @property
    def count(self) -> int:
        """How many letters there were."""
        return sum(self.reasons.values())


@dataclass(frozen=True, slots=True)
class Pushed:
    """The event waits again, and will be claimed under this sequence number."""

    number: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Nothing was pushed: somebody else replayed or deleted the letter."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The letter is gone, and a reply was lost: most likely this call pushed its event."""


#: The result of replaying one letter.
Replayed = Pushed | Taken | Uncertain


class Letters:
    """The dead letters of a queue.

    Every method raises UnreachableError when Redis has not answered for five seconds.

    Args:
        queue: whose letters they are.
        side: where the oldest events of the lists are.
    """

    def __init__(self, queue: Queue, *, side: Side = "left") -> None:
        self._queue = queue
        self._lists = [each.letters for each in queue.lists]
        self._side: Side = side

    async def select(self, which: Filter) -> AsyncIterator[DeadLetter]:
        """The dead letters that match, oldest first, up to the limit."""
        first, last = await self._span(which)
        async for letter in self._between(which, first, last):
            yield letter

    async def selection(self, letter_ids: Sequence[str] | None, which: Filter) -> Selection:
        """Settles which letters are meant: those with these ids, or without ids those that match."""
        first, last = await self._span(which)
        ids = tuple(sorted(set(letter_ids), key=order)) if letter_ids else None
        reasons: Counter[str] = Counter()
        newest = "0-0"
        async for letter in self.each(Selection(which, ids, first, last, {})):
            reasons[letter.reason] += 1
            newest = id_in_list(letter.id)
        missing = len(ids) - sum(reasons.values()) if ids else 0
        return Selection(which, ids, first, newest, reasons, missing)

    def each(self, selection: Selection) -> AsyncIterator[DeadLetter]:
        """Those of a selection that are still there, oldest first: so each user's are in order."""
        if selection.ids is not None:
            return self._with_ids(selection.ids)
        return self._between(selection.which, selection.first, selection.last)

    async def _span(self, which: Filter) -> tuple[str, str]:
        aged = which.older is not None or which.newer is not None
        return which.span(await self.now() if aged else 0)

    async def _with_ids(self, ids: Sequence[str]) -> AsyncIterator[DeadLetter]:
        for letter_id in ids:
            letter = await self.one(letter_id)
            if letter is not None:
                yield letter

    async def _between(self, which: Filter, first: str, last: str) -> AsyncIterator[DeadLetter]:
        found = 0
        async for letter in self._pages(first, last):
            if which.matches(letter):
                yield letter
                found += 1
                if found == which.limit:
                    return

    async def _pages(self, first: str, last: str) -> AsyncIterator[DeadLetter]:
        """Of all lists, oldest first."""
        heads: list[tuple[tuple[int, int], int, DeadLetter]] = []
        walks = [self._of_list(letters, first, last) for letters in self._lists]

        async def step(shard: int) -> None:
            async for letter in walks[shard]:
                heapq.heappush(heads, (order(letter.id), shard, letter))
                return

        for shard in range(len(walks)):
            await step(shard)
        while heads:
            _, shard, letter = heapq.heappop(heads)
            yield letter
            await step(shard)

    async def _of_list(self, letters: ListLetters, first: str, last: str) -> AsyncIterator[DeadLetter]:
        while True:
            page = await patiently(lambda first=first: letters.page(first, last, _PAGE))  # type: ignore[misc]
            for letter in page:
                yield with_shard(letter, len(self._lists))
            if len(page) < _PAGE:
                return
            first = "(" + page[-1].id

    def _list_of(self, letter_id: str) -> ListLetters | None:
        shard, slash, _ = letter_id.partition("/")
        number = int(shard) if slash else 0
        one_list = len(self._lists) == 1
        return self._lists[number] if bool(slash) is not one_list and number < len(self._lists) else None

    async def one(self, letter_id: str) -> DeadLetter | None:
        """One dead letter by its id."""
        letters = self._list_of(letter_id)
        found = None if letters is None else await patiently(lambda: letters.one(id_in_list(letter_id)))
        return None if found is None else with_shard(found, len(self._lists))

    def since(self, moment: int) -> AsyncIterator[DeadLetter]:
        """The letters that were made at this time, in milliseconds, or later."""
        return self._pages(str(moment), "+")

    async def replay(self, letter: DeadLetter, element: bytes) -> Replayed:
        """Pushes `element` as the newest event and deletes the letter, both or neither, and at most once."""
        asked = 0

        async def push() -> int | None:
            nonlocal asked
            asked += 1
            return await self._lists[letter.shard].replay(id_in_list(letter.id), element, side=self._side)

        number = await patiently(push)
        if number is not None:
            return Pushed(number)
        return Taken() if asked == 1 else Uncertain()

    async def delete(self, letter: DeadLetter) -> bool:
        """Deletes a letter for good; False if somebody else took it, as far as no reply was lost."""
        asked = 0

        async def delete() -> bool:
            nonlocal asked
            asked += 1
            return await self._lists[letter.shard].delete(id_in_list(letter.id))

        return await patiently(delete) or asked > 1

    async def undecided(self, numbers: Sequence[tuple[int, int]]) -> Undecided:
        """Which events with these (shard, sequence number) still wait or are claimed."""
        by_shard: dict[int, list[int]] = {}
        for shard, number in numbers:
            by_shard.setdefault(shard, []).append(number)
        found = [
            await patiently(lambda shard=shard, mine=mine: self._queue.lists[shard].still_claimed(mine))  # type: ignore[misc]
            for shard, mine in by_shard.items()
        ]
        return Undecided(
            sum(each.waiting for each in found),
            sum(each.claimed for each in found),
            sum(each.sequence for each in found),
        )

    def misplaced(self, letter: DeadLetter, element: bytes, max_bytes: int) -> str:
        """Why an edited element cannot go where its letter is, in words; empty if it can.

        Raises:
            InvalidElementError: it is no event.
        """
        shard = shard_of(decode(element, max_bytes=max_bytes).user, len(self._lists))
        if shard == letter.shard:
            return ""
        return f"its user is now one of shard {shard}, not {letter.shard}: export it, edit that, and push it"

    async def halt(self) -> HaltRecord | None:
        """The halt in force."""
        return await patiently(self._queue.halt)

    async def now(self) -> int:
        """Redis' time, in milliseconds: that of the letters' ids."""
        return await patiently(self._queue.now)
