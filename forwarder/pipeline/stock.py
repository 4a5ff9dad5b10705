"""The claimed events of one list: the buffer, with two signals, room to fill and a batch to send."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import structlog

from forwarder.api.body_limit import BodyLimit
from forwarder.api.request import batch_size
from forwarder.event import Event, decode
from forwarder.pipeline.admission import Admission
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.buffer.space import Limits, Room
from forwarder.queue.claim_ids import ClaimId
from forwarder.queue.claims import Claims
from forwarder.retry import wait_at_most

log = structlog.get_logger()


class Stock:
    """Buffers the claimed events of one list, reads spilled ones back, and signals room and due batches."""

    def __init__(
        self,
        claims: Claims,
        availability: Availability,
        *,
        limits: Limits,
        body_limit: BodyLimit,
        max_event_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._claims = claims
        self._availability = availability
        self._body_limit = body_limit
        self._limits = limits
        self._buffer = Buffer(limits, body_limit=body_limit)
        self._admission = Admission(self._buffer.space)
        #: An element with more bytes than this is not an event.
        self.max_event_bytes = max_event_bytes
        self._clock = clock
        self._freed = asyncio.Event()
        self._news = asyncio.Event()
        #: Whether the latest claim left events in the list.
        self._deep = True

    @property
    def events(self) -> int:
        """Events in memory."""
        return self._buffer.space.events

    @property
    def users(self) -> int:
        """How many users have claimed events here, also if these are spilled or in flight."""
        return self._buffer.users

    def bound(self, limits: Limits) -> None:
        """Other limits of events and bytes from now on; those of a POST stay."""
        self._buffer.space.bound(limits)
        self._admission.freed()
        self._news.set()

    def clear(self) -> None:
        """Forgets every event, once nobody uses this any more. They stay claimed."""
        self._buffer = Buffer(self._limits, body_limit=self._body_limit)

    @asynccontextmanager
    async def room(self, events: int, size: int) -> AsyncIterator[Room]:
        """Waits for room to claim or adopt up to this much. It is taken until the end of the block, which adds it."""
        space = self._buffer.space
        while space.overdrawn:
            self._log_overdrawn()
            self._freed.clear()
            await self._freed.wait()
        async with self._admission.room(Room(min(events, space.claimable), size)) as room:
            yield room

    def _log_overdrawn(self) -> None:
        log.warning(
            "claiming paused: too many claimed events belong to users whose POSTs keep failing, or to a few users",
            claimed=self._buffer.space.events + self._buffer.space.spilled,
            repeats=True,
        )

    def still_waiting(self, events: int) -> None:
        """The latest claim left this many events in the list."""
        deep, self._deep = self._deep, events > 0
        if deep != self._deep:
            self._news.set()

    def add(self, events: Iterable[Event]) -> None:
        """Appends the newest events. Those of one user must come in the order they were pushed."""
        self._buffer.add(events, self._clock())
        self._news.set()

    async def due(self) -> None:
        """Waits until a batch may be taken."""
        while True:
            now = self._clock()
            due = self._buffer.due(now, deep=self._deep)
            if due is not None and due <= now:
                return
            self._news.clear()
            # What ends the wait early: events that come, and all else that may let a group go sooner.
            await wait_at_most(self._news, None if due is None else due - now)

    def take(self) -> Batch | None:
        """The batch of the user whose turn it is, if one is due; the user is in flight until :meth:`finish`."""
        batch = self._buffer.take(self._clock(), deep=self._deep)
        self._has_freed()  # what the user holds beyond its share is spilled
        return batch

    def is_too_large(self, batch: Batch) -> bool:
        """Whether the batch can be halved, and is longer than what the API has shown to take."""
        if batch.released or len(batch.events) == 1:
            return False
        size = batch_size([event.body for event in batch.events])
        return size > self._body_limit.most(batch.user, self._clock())

    async def back_off(self, batch: Batch) -> None:
        """This batch, in flight, will be retried. What its user holds beyond its share leaves memory."""
        self._buffer.back_off(batch)
        self._has_freed()
        while self._buffer.spill(batch.user):
            await asyncio.sleep(0)
            self._has_freed()
        self._news.set()

    def _has_freed(self) -> None:
        self._freed.set()
        self._admission.freed()

    def room_for(self, batch: Batch) -> AbstractAsyncContextManager[None]:
        """Waits for room to recall a released batch. It is taken until the end of the block, which POSTs the batch."""
        if not batch.released:
            return nullcontext()
        return self._admission.recall(Room(len(batch.events), batch.released))

    async def recall(self, batch: Batch) -> None:
        """Reads the bytes of a released batch again, within :meth:`room_for`.

        Raises:
            RolledBackError: some of the claimed events are gone; the batch stays released.
        """
        ids = [(event.number, event.stamp) for event in batch.events]
        batch.recall(await self._read(ids))
        self._buffer.recalled(batch)

    def hold(self, invalid: Sequence[Event]) -> None:
        """These stand for claimed elements that are not events. They take up room too, until they are decided."""
        self._buffer.space.hold(invalid)

    def decided(self, events: Sequence[Event]) -> None:
        """These events are decided: their room is free again."""
        self._buffer.free(events)
        self._has_freed()

    async def finish(self, user: str) -> None:
        """The user's batch is done. If it has only spilled events, reads back what its next POST takes."""
        self._buffer.finish(user)
        while (need := self._buffer.wanted(user, self._clock())) is not None:
            async with self._admission.room(need) as room:
                events = await self._read(self._buffer.unspill(user, room))
                self._buffer.refill(user, events)
        self._news.set()

    async def _read(self, ids: Sequence[ClaimId]) -> list[Event]:
        """The events with these IDs; they were valid before."""
        elements = await self._availability.until(
            lambda: self._claims.read(ids, most_bytes_of_one=self.max_event_bytes)
        )
        return [
            decode(element, number=number, stamp=stamp, max_bytes=self.max_event_bytes)
            for (number, stamp), element in zip(ids, elements, strict=True)
            if isinstance(element, bytes)  # it was valid before, so it is not too long
        ]
