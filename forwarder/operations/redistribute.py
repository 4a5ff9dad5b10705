"""Moves the content of a queue's lists to the lists where it belongs, in order.

Old and new lists share names, so every list is set aside before anything is loaded into one. Then the lists are
emptied one after the other, claimed events first, because they are older. All events of a user were in one list, so
they stay in order.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from forwarder.errors import InvalidElementError
from forwarder.event import decode, user_of, with_date
from forwarder.queue import mover
from forwarder.queue.keys import Keys, Side
from forwarder.queue.letters import ListLetters
from forwarder.queue.mover import PAGE, ListMover, Page
from forwarder.queue.sharding import shard_of
from forwarder.queue.wire.connection import Redis
from forwarder.retry import cancelled, first_of

#: Leases that are renewed at once, each over a connection of its own. With 1,024 lists and 50 ms to Redis, renewing all
#: takes 3 s this way; one after the other it would take 51 s, nearly as long as a lease lasts.
_RENEWED_AT_ONCE = 16


@dataclass(slots=True)
class Moved:
    """How much has arrived in its new list."""

    events: int = 0
    letters: int = 0


class Redistribution:
    """Moves everything to `targets`. A new run continues where the last one stopped.

    Every method raises :exc:`QueueError` when Redis gives no answer, or when another run has taken over.

    Args:
        redis: the client.
        sources: every list that may hold anything, including all targets, in the order in which their events are
            to wait.
        targets: the new lists, by shard.
        side: where the oldest event of each list is.
        max_event_bytes: the length limit of an event. An element that is not an event gets no date.
        progress: called with the number of events and letters that have arrived in their new lists.
    """

    def __init__(
        self,
        redis: Redis,
        sources: Sequence[Keys],
        targets: Sequence[Keys],
        *,
        side: Side,
        max_event_bytes: int,
        progress: Callable[[int], None],
    ) -> None:
        self._lists = {keys.list: ListMover(redis, keys, side=side) for keys in sources}
        self._letters = {keys.list: ListLetters(redis, keys) for keys in sources}
        self._targets = [self._lists[keys.list] for keys in targets]
        self._max_event_bytes = max_event_bytes
        self._progress = progress
        self.moved = Moved()

    async def own(self) -> str | None:
        """Takes every lease, even from an earlier resharding. Returns the name of a list that a worker owns, if any."""
        for each in self._lists.values():
            if not await each.own():
                return each.name
        return None

    async def renewed(self, work: Awaitable[None]) -> None:
        """Does some work, and renews the leases that are held meanwhile, however long a step of the work takes.

        Raises:
            LeaseLostError: a lease was lost. The work has been cancelled.
        """
        renewal = asyncio.create_task(self._renew())
        try:
            await first_of(work, renewal)
            if renewal.done():
                await renewal
        finally:
            await cancelled([renewal])

    async def _renew(self) -> None:
        every = list(self._lists.values())
        while True:
            await asyncio.sleep(mover.MOVER_LEASE / 4)
            for start in range(0, len(every), _RENEWED_AT_ONCE):
                await asyncio.gather(*(each.renew() for each in every[start : start + _RENEWED_AT_ONCE]))

    async def release(self) -> None:
        """Gives back the leases that are still held."""
        for each in self._lists.values():
            await each.release()

    async def run(self) -> None:
        """Moves everything that an earlier run has not moved yet."""
        for each in self._lists.values():
            await each.set_aside()
        for each in self._lists.values():
            await self._empty(each)

    async def tidy(self) -> None:
        """Deletes all notes. After that, nothing can be moved any more."""
        for each in self._lists.values():
            await each.tidy(gone=each not in self._targets)

    async def _empty(self, source: ListMover) -> None:
        async for page in self._pages(source):
            await self._load(source, page)
            source.loaded(page)

    async def _pages(self, source: ListMover) -> AsyncIterator[Page]:
        claimed = await source.claimed_fields()
        fields = claimed.take(PAGE)
        while (page := await source.unload_events(fields)).items or fields:
            if page.items:
                yield page
            del fields[: page.dealt]
            fields += claimed.take(PAGE - len(fields))
        async for letters in self._misplaced(source):
            while (page := await source.unload_letters(letters)).items or letters:
                if page.items:
                    yield page
                del letters[: page.dealt]
        if source not in self._targets:
            while (page := await source.unload_counts()).items:
                yield page

    async def _misplaced(self, source: ListMover) -> AsyncIterator[list[tuple[str, int]]]:
        """Pages of (ID, new shard) of the dead letters that belong in another list. The last page may be empty."""
        page: list[tuple[str, int]] = []
        async for letter in self._letters[source.name].all():
            user = user_of(letter.element)
            if user is None and source in self._targets:
                continue
            shard = self._shard(user)
            if self._targets[shard] is not source:
                page.append((letter.id, shard))
            if len(page) == PAGE:
                yield page
                page = []
        yield page

    async def _load(self, source: ListMover, page: Page) -> None:
        parts: dict[int, list[bytes]] = {}
        for item in page.items:
            shard, part = self._part(item)
            parts.setdefault(shard, []).append(part)
        for shard, part_of_page in sorted(parts.items()):
            await self._targets[shard].load(source.name, page.number, part_of_page)
        if not page.items[0].startswith(b"c"):
            letters = sum(item.startswith(b"l") for item in page.items)
            self.moved.letters += letters
            self.moved.events += len(page.items) - letters
            self._progress(len(page.items))

    def _part(self, item: bytes) -> tuple[int, bytes]:
        """The shard that an item goes to, and the item to load there.

        The shard must not depend on the settings: they may change between one run and the next.
        """
        kind, (head, _, rest) = item[:1], item[1:].partition(b" ")
        if kind == b"c":
            return 0, item
        if kind == b"l":
            return int(head), kind + rest
        return self._shard(user_of(rest)), kind + self._dated(rest, head)

    def _shard(self, user: str | None) -> int:
        """An element without a user is not an event: the worker that claims it makes it a dead letter."""
        return 0 if user is None else shard_of(user, len(self._targets))

    def _dated(self, element: bytes, stamp: bytes) -> bytes:
        """The element of a claimed event with the time of its claim as its date, if it has none."""
        if not stamp:
            return element
        try:
            decode(element, max_bytes=self._max_event_bytes)
            return with_date(element, int(stamp))
        except InvalidElementError:
            return element
