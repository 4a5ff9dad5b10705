"""Takes what is in some lists of a queue to the lists where it belongs, in order.

Every list is set aside before anything comes into one: old and new lists share names. Then one list after the other
is emptied, its claimed events first, as they are older. Of one user all events were in one list, so their order stays.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from forwarder.errors import InvalidElementError
from forwarder.event import decode, user_of, with_date
from forwarder.queue import Keys, ListLetters, ListMover, Page, Redis, Side, mover_lease
from forwarder.queue.mover import MOVER_LEASE, PAGE
from forwarder.queue.sharding import shard_of


@dataclass(slots=True)
class Moved:
    """What has come into its new list."""

    events: int = 0
    letters: int = 0


class Redistribution:
    """Moves everything onto `targets`; whoever begins again goes on where the last one stopped.

    Every method raises :exc:`QueueError` when Redis does not serve, or when somebody has taken over.

    Args:
        sources: every list that may hold anything, in the order in which their events are to wait; with all targets.
        targets: the new lists, by shard.
        progress: told how many events and letters have come into their new lists.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lists = {keys.list: ListMover(mover_lease(redis, keys), side=side) for keys in sources}
        self._letters = {keys.list: ListLetters(redis, keys) for keys in sources}
        self._targets = [self._lists[keys.list] for keys in targets]
        self._max_event_bytes = max_event_bytes
        self._progress = progress
        self._clock = clock
        self._kept = clock()
        self.moved = Moved()

    async def own(self) -> str | None:
        """Takes every lease, also from a resharding before this one; the name of a list that a worker owns."""
        for each in self._lists.values():
            if await each.lease.acquire() is None:
                return each.name
        return None

    async def release(self) -> None:
        """Gives the leases back that are still held."""
        for each in self._lists.values():
            await each.lease.release()

    async def run(self) -> None:
        """Moves everything, or what was left of it by whoever was here before."""
        for each in self._lists.values():
            await each.set_aside()
        for each in self._lists.values():
            await self._empty(each)

    async def tidy(self) -> None:
        """Forgets all notes; then nothing can be moved any more."""
        for each in self._lists.values():
            await each.tidy(gone=each not in self._targets)

    async def _empty(self, source: ListMover) -> None:
        async for page in self._pages(source):
            await self._load(source, page)
            source.loaded(page)
            await self._keep()

    async def _pages(self, source: ListMover) -> AsyncIterator[Page]:
        names = await source.claimed_fields()
        fields = names.take(PAGE)
        while (page := await source.unload_events(fields)).items or fields:
            if page.items:
                yield page
            del fields[: page.dealt]
            fields += names.take(PAGE - len(fields))
        async for letters in self._misplaced(source):
            while (page := await source.unload_letters(letters)).items or letters:
                if page.items:
                    yield page
                del letters[: page.dealt]
        if source not in self._targets:
            while (page := await source.unload_counts()).items:
                yield page

    async def _misplaced(self, source: ListMover) -> AsyncIterator[list[tuple[str, int]]]:
        """Pages of the dead letters that belong in another list, with their shard; the last one may be empty."""
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
        """Which shard an item goes to, and as what: it must never depend on the settings, which may change midway."""
        kind, (head, _, rest) = item[:1], item[1:].partition(b" ")
        if kind == b"c":
            return 0, item
        if kind == b"l":
            return int(head), kind + rest
        return self._shard(user_of(rest)), kind + self._dated(rest, head)

    def _shard(self, user: str | None) -> int:
        """What names no user is no event: whoever claims it makes it a dead letter."""
        return 0 if user is None else shard_of(user, len(self._targets))

    def _dated(self, element: bytes, stamp: bytes) -> bytes:
        """A claimed event keeps the date that it was given when it was claimed, if there is room for one."""
        if not stamp:
            return element
        try:
            decode(element, max_bytes=self._max_event_bytes)
            return with_date(element, int(stamp), self._max_event_bytes)
        except InvalidElementError:
            return element

    async def _keep(self) -> None:
        """Prolongs the leases of lists that have had no part of a page for a while."""
        if self._clock() - self._kept < MOVER_LEASE / 4:
            return
        self._kept = self._clock()
        for each in self._lists.values():
            await each.lease.renew()
