"""The dead letters of all lists of a queue.

If a queue has several lists, the ID of a letter starts with its shard: ``3/1726077863000-0``.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from forwarder.dead_letters.letter import id_in_list, order, with_shard
from forwarder.dead_letters.selection import Filter, Selection
from forwarder.queue.census import Undecided
from forwarder.queue.groups import Groups
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Side
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.queue.queue import Queue
from forwarder.retry import patiently

#: Letters read in one round trip, from all lists together.
_PAGE = 100
#: A list's page has at least this many.
_SMALLEST_PAGE = 10
#: Bytes of elements after which a page ends, if elements are cut.
_PAGE_BYTES = 1_000_000


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
    """Finds, replays and deletes the dead letters of a queue.

    Every method raises UnreachableError when Redis has not answered for five seconds. Those that find, replay or
    delete letters raise ShardsDisagreeError while or after a resharding moves them to other lists.

    Args:
        queue: the queue.
        side: where the oldest event of each list is.
        cut: read at most this many bytes of each element, so that a long one never is in memory; None means all of it.

    Attributes:
        shards: how many lists the queue has.
    """

    def __init__(self, queue: Queue, *, side: Side = "left", cut: int | None = None) -> None:
        self._queue = queue
        self._lists = [each.letters for each in queue.lists]
        self.shards = len(queue.lists)
        self._side: Side = side
        self._cut = cut
        self._page = max(_SMALLEST_PAGE, _PAGE // self.shards)

    async def agree(self) -> None:
        """Makes sure that the queue still has this number of lists.

        Asked after letters were looked for: those that were not found may have been moved to other lists meanwhile.
        """
        await patiently(self._queue.agree)

    async def select(self, which: Filter, *, newest: bool = False) -> AsyncIterator[DeadLetter]:
        """The dead letters that match, up to the limit: oldest first, or newest first."""
        first, last = await self._span(which)
        async for letter in self._between(which, first, last, newest=newest):
            yield letter

    async def selection(self, letter_ids: Sequence[str] | None, which: Filter) -> Selection:
        """Decides which letters are selected: those with these IDs, or without IDs those that match."""
        first, last = await self._span(which)
        ids = tuple(sorted(set(letter_ids), key=order)) if letter_ids else None
        reasons: Counter[str] = Counter()
        spared: Counter[str] = Counter()
        newest = "0-0"
        async for letter, is_selected in self._found(Selection(which, ids, first, last, {})):
            if is_selected:
                reasons[letter.reason] += 1
                newest = id_in_list(letter.id)
            else:
                spared[letter.reason] += 1
        missing = len(ids) - sum(reasons.values()) if ids else 0
        return Selection(which, ids, first, newest, reasons, missing, spared)

    async def each(self, selection: Selection) -> AsyncIterator[DeadLetter]:
        """The letters of a selection that still exist, oldest first, so that those of each user are in order."""
        async for letter, is_selected in self._found(selection):
            if is_selected:
                yield letter

    async def _found(self, selection: Selection) -> AsyncIterator[tuple[DeadLetter, bool]]:
        """The letters of a selection, and those that it spares: then False."""
        if selection.ids is not None:
            async for letter in self._with_ids(selection.ids):
                yield letter, True
        else:
            async for letter in self._between(selection.which, selection.first, selection.last):
                yield letter, not selection.which.spares(letter)
        await self.agree()

    async def _span(self, which: Filter) -> tuple[str, str]:
        aged = which.older is not None or which.newer is not None
        return which.span(await self.now() if aged else 0)

    async def _with_ids(self, ids: Sequence[str]) -> AsyncIterator[DeadLetter]:
        for letter_id in ids:
            letter = await self.one(letter_id)
            if letter is not None:
                yield letter

    async def _between(
        self, which: Filter, first: str, last: str, *, newest: bool = False
    ) -> AsyncIterator[DeadLetter]:
        found = 0
        async for letter in self._pages(first, last, newest=newest):
            if which.matches(letter):
                yield letter
                found += not which.spares(letter)
                if found == which.limit:
                    return

    async def _pages(self, first: str, last: str, *, newest: bool = False) -> AsyncIterator[DeadLetter]:
        """The letters of all lists between two IDs, oldest first, or newest first."""
        heads: list[tuple[tuple[int, int], int, DeadLetter]] = []
        walks = [self._of_list(letters, first, last, newest=newest) for letters in self._lists]
        sign = -1 if newest else 1

        async def step(shard: int) -> None:
            async for letter in walks[shard]:
                time, count = order(letter.id)
                heapq.heappush(heads, ((sign * time, sign * count), shard, letter))
                return

        for shard in range(len(walks)):
            await step(shard)
        while heads:
            _, shard, letter = heapq.heappop(heads)
            yield letter
            await step(shard)

    async def _of_list(self, letters: ListLetters, first: str, last: str, *, newest: bool) -> AsyncIterator[DeadLetter]:
        while page := await self._read(letters, first, last, newest=newest):
            for letter in page:
                yield with_shard(letter, self.shards)
            if self._cut is None and len(page) < self._page:
                return
            if newest:
                last = "(" + page[-1].id
            else:
                first = "(" + page[-1].id

    async def _read(self, letters: ListLetters, first: str, last: str, *, newest: bool) -> list[DeadLetter]:
        async def read() -> list[DeadLetter]:
            if self._cut is None:
                return await letters.page(first, last, self._page, newest=newest)
            size, cut = _PAGE_BYTES, self._cut
            return await letters.bounded(first, last, self._page, newest=newest, most_bytes=size, cut=cut)

        return await patiently(read)

    def _list_of(self, letter_id: str) -> ListLetters | None:
        shard, slash, _ = letter_id.partition("/")
        number = int(shard) if slash else 0
        one_list = self.shards == 1
        return self._lists[number] if bool(slash) is not one_list and number < self.shards else None

    async def one(self, letter_id: str) -> DeadLetter | None:
        """One dead letter by its ID."""
        letters = self._list_of(letter_id)
        number = id_in_list(letter_id)
        found = [] if letters is None else await self._read(letters, number, number, newest=False)
        if not found:
            await self.agree()
        return with_shard(found[0], self.shards) if found else None

    async def newest(self, which: Filter, *, among: int, last: str = "+") -> tuple[list[DeadLetter], bool]:
        """The newest letters that match, up to the limit, among this many that are not newer than an ID.

        Also returns whether there may be more that match.
        """
        found: list[DeadLetter] = []
        looked = 0
        async for letter in self._pages("-", last, newest=True):
            if looked == among or len(found) == which.limit:
                return found, True
            looked += 1
            if which.matches(letter):
                found.append(letter)
        return found, False

    async def kept(self) -> int:
        """How many letters there are."""
        return sum(each.letters for each in await patiently(self._queue.censuses))

    async def groups(self, progress: Callable[[int], None] = lambda _: None) -> list[Groups]:
        """The groups of each list, by shard, once every letter is counted.

        Args:
            progress: called with how many letters were counted, after each part of them.
        """
        found: list[Groups] = []
        for letters in self._lists:
            while isinstance(counted := await patiently(letters.count), int):
                progress(counted)
            found.append(counted)
        return found

    def since(self, moment: int) -> AsyncIterator[DeadLetter]:
        """The letters that were made at this time, in milliseconds since 1970, or later."""
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
        """Deletes a letter for good. False if somebody else had taken it; if a reply was lost, that is not known."""
        asked = 0

        async def delete() -> bool:
            nonlocal asked
            asked += 1
            return await self._lists[letter.shard].delete(id_in_list(letter.id))

        return await patiently(delete) or asked > 1

    async def undecided(self, numbers: Sequence[tuple[int, int]]) -> Undecided:
        """How many of the events with these (shard, sequence number) still wait or are claimed."""
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

    async def halt(self) -> HaltRecord | None:
        """The halt in force, or else the pause."""
        orders = await patiently(self._queue.orders)
        return orders.halt or orders.pause

    async def now(self) -> int:
        """Redis' time, in milliseconds since 1970. The letters' IDs are on the same clock."""
        return await patiently(self._queue.now)
