"""Filling the buffer: first what an earlier owner had claimed, oldest first, then new claims; and decoding both."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from forwarder.api.verdict import Halt
from forwarder.errors import UnreachableError
from forwarder.event import Event, Invalid, decode, decode_page
from forwarder.outcome import HaltReason, LetterReason, Refused
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.parts import Parts
from forwarder.pipeline.settlement import Settler
from forwarder.queue import Claims, Redis

log = structlog.get_logger()

#: Most events, and about the most bytes, of one claim: 0.02 round trips an event are far undercut, and Redis
#: is busy for about two milliseconds.
_CLAIM_EVENTS = 2_000
_CLAIM_BYTES = 4 * 1024 * 1024
#: Seconds that one wait for new events lasts; well under the answer timeout.
_WAIT = 2.0
#: Seconds between two looks at a list that cannot be waited on.
_LOOK = 0.1
#: If so many elements are decoded and none is an event, it is somebody else's list.
_STRANGE = 100
#: Elements decoded together: longer pages are no faster, and one unusual element makes its whole page slow.
_PAGE = 128


@dataclass(slots=True)
class _Strangers:
    """Invalid elements seen before the first valid one: not refused until it is clear whose list this is."""

    events: list[tuple[Event, Refused]] = field(default_factory=list)
    in_redis: int = 0

    @property
    def count(self) -> int:
        return len(self.events) + self.in_redis


class Intake:
    """Moves events from Redis into the buffer while there is room, for one owner of a list.

    Args:
        blocking: a client of its own, for waiting.
        arrived: told after the buffer has grown.
        halt: told when the list turns out to be somebody else's.
    """

    def __init__(
        self,
        parts: Parts,
        claims: Claims,
        blocking: Redis,
        buffer: Buffer,
        settler: Settler,
        *,
        arrived: Callable[[], None],
        halt: Callable[[Halt], None],
    ) -> None:
        self._claims = claims
        self._blocking = blocking
        self._buffer = buffer
        self._settler = settler
        self._reach = parts.reach
        self._trust = parts.trust
        self._metrics = parts.metrics
        self._chatter = parts.chatter
        self._clock = parts.clock
        self._max_event_bytes = int(parts.settings.max_event_bytes)
        self._arrived = arrived
        self._halt = halt
        self._strangers = _Strangers()
        self._freed = asyncio.Event()
        #: Whether more events wait than are here.
        self.deep = True

    def freed(self) -> None:
        """The buffer has shrunk."""
        self._freed.set()

    async def run(self) -> None:
        """Adopts, then claims for ever.

        Raises:
            LeaseLostError, RolledBackError: from the queue.
        """
        await self._adopt()
        while True:
            room, room_bytes = await self._room()
            most = min(room, _CLAIM_EVENTS if self._trust.established else _STRANGE)
            await self._claim(most, min(room_bytes, _CLAIM_BYTES))

    async def _room(self) -> tuple[int, int]:
        """Waits until there is room worth a round trip."""
        while self._buffer.full:
            self._say_overdrawn()
            self._freed.clear()
            await self._freed.wait()
        return self._buffer.room()

    def _say_overdrawn(self) -> None:
        if self._buffer.overdrawn and self._chatter.is_news("intake stopped", "overdrawn"):
            log.warning(
                "intake stopped: too many claimed events are of users whose POSTs fail",
                claimed=self._buffer.events + self._buffer.spilled,
            )

    async def _adopt(self) -> None:
        fields = await self._reach.until(self._claims.claimed_fields)
        page = max(1, min(1_000, 2 * _CLAIM_BYTES // self._max_event_bytes))
        while fields:
            await self._room()
            names = fields.take(page)
            elements = await self._reach.until(lambda names=names: self._claims.read(names))  # type: ignore[misc]
            self._metrics.events_adopted.inc(len(names))
            self._take_read(names, elements)
            self._arrived()

    def _take_read(self, names: Sequence[tuple[int, int]], elements: Sequence[bytes | None]) -> None:
        here = [(*name, element) for name, element in zip(names, elements, strict=True) if element is not None]
        stamps = [stamp for _, stamp, _ in here]
        for stamp in stamps:
            self._settler.expect(stamp, 1)
        self._take([element for _, _, element in here], [number for number, _, _ in here], stamps)

    async def reload(self, user: str) -> None:
        """Reads spilled events of a user back into the buffer, as many as it may hold."""
        while names := self._buffer.to_reload(user):
            elements = await self._reach.until(lambda names=names: self._claims.read(names))  # type: ignore[misc]
            self._buffer.reload(user, self._decoded(names, elements), self._clock())

    async def recall(self, batch: Batch) -> bool:
        """Reads the bytes of a released batch again; False if some are gone, and then it stays released."""
        names = [(event.number, event.stamp) for event in batch.events]
        events = self._decoded(names, await self._reach.until(lambda: self._claims.read(names)))
        if len(events) < len(names):
            return False
        batch.recall(events)
        self._buffer.recalled(batch)
        return True

    def _decoded(self, names: Iterable[tuple[int, int]], elements: Iterable[bytes | None]) -> list[Event]:
        """Events that were valid before; one that is gone was taken by a later owner, who will say so."""
        return [
            decode(element, number=number, stamp=stamp, max_bytes=self._max_event_bytes)
            for (number, stamp), element in zip(names, elements, strict=True)
            if element is not None
        ]

    async def _claim(self, most: int, most_bytes: int) -> None:
        claimed = await self._reach.until(
            lambda: self._claims.claim(most=most, most_bytes=most_bytes, most_bytes_of_one=self._max_event_bytes)
        )
        self.deep = claimed.waiting > 0
        if not claimed.elements:
            self._release_strangers()
            await self._wait()
            return
        self._metrics.events_claimed.inc(len(claimed.elements))
        here = [element for element in claimed.elements if element is not None]
        if here:
            self._settler.expect(claimed.stamp, len(here))
            self._take(here, claimed.numbers, [claimed.stamp] * len(here))
        self._too_long(len(claimed.elements) - len(here))
        self._arrived()

    def _too_long(self, events: int) -> None:
        """So many were made dead letters in Redis."""
        if events:
            self._metrics.events_dead_lettered.labels(LetterReason.INVALID).inc(events)
            self._strange(in_redis=events)

    async def _wait(self) -> None:
        try:
            await self._claims.wait_for_events(self._blocking, _WAIT)
        except UnreachableError:
            # Only this connection, or Redis: the next claim tells which.
            await asyncio.sleep(_LOOK)

    def _take(self, elements: Sequence[bytes], numbers: Sequence[int], stamps: Sequence[int]) -> None:
        start = 0
        while start < len(elements):
            # One by one while it is open whose list this is: the first valid one settles that.
            page = slice(start, start + (_PAGE if self._trust.established else 1))
            self._take_page(*decode_page(elements[page], numbers[page], stamps[page], self._max_event_bytes))
            start = page.stop

    def _take_page(self, events: list[Event], invalid: list[Invalid]) -> None:
        for each in invalid:
            event = Event(number=each.number, stamp=each.stamp, user="", body=b"")
            refused = Refused(LetterReason.INVALID, detail=each.why)
            if self._trust.established:
                self._settler.add([event], refused)
            else:
                self._strangers.events.append((event, refused))
                self._strange()
        if events and not self._trust.established:
            self._trust.established = True
            self._release_strangers()
        self._buffer.add(events, self._clock())

    def _strange(self, in_redis: int = 0) -> None:
        self._strangers.in_redis += in_redis
        if not self._trust.established and self._strangers.count >= _STRANGE:
            self._strangers.events.clear()
            detail = f"none of the first {_STRANGE} elements is an event: is FORWARDER_QUEUE right?"
            self._halt(Halt(HaltReason.MISDIRECTED, detail, ""))

    def _release_strangers(self) -> None:
        """Either the first valid event has come, or the list is empty and nothing more can be learnt from it."""
        events, self._strangers.events = self._strangers.events, []
        for event, refused in events:
            self._settler.add([event], refused)
