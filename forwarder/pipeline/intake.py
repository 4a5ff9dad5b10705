"""Fills the stock with decoded events: first those that an earlier owner had claimed, oldest first, then new claims."""

import asyncio
from collections.abc import Sequence

import structlog

from forwarder.errors import UnreachableError
from forwarder.event import decode_page
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.recognition import Recognition
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.claims import Claims
from forwarder.queue.wire.connection import Redis

#: Most events of one claim. 2,000 events keep Redis busy for about two milliseconds, and cost 0.0005 round trips each.
_CLAIM_EVENTS = 2_000
#: A claim takes no further element once it has this many bytes.
_CLAIM_BYTES = 4 * 1024 * 1024
#: Seconds that one blocking wait for new events lasts. This must be well under the connection's answer timeout, 5 s.
_WAIT = 2.0
#: Seconds between a wait that failed and the next claim.
_PAUSE = 0.1
#: This many elements are decoded together. Longer pages are not faster, and a single element that needs careful
#: decoding slows down its whole page.
_PAGE = 128

log = structlog.get_logger()


class Intake:
    """Moves events from Redis into the stock while there is room, for one owner of a list.

    Args:
        blocking: a Redis client that is used for nothing but blocking waits.
    """

    def __init__(
        self,
        claims: Claims,
        blocking: Redis,
        stock: Stock,
        settler: Settler,
        recognition: Recognition,
        availability: Availability,
        metrics: Metrics,
    ) -> None:
        self._claims = claims
        self._blocking = blocking
        self._stock = stock
        self._settler = settler
        self._recognition = recognition
        self._availability = availability
        self._metrics = metrics

    async def run(self) -> None:
        """Adopts, then claims for ever.

        Raises:
            LeaseLostError, RolledBackError: from the queue.
        """
        await self._adopt()
        while not await self._recognition.done():
            await self._wait()
        while True:
            room = await self._stock.room()
            await self._claim(min(room.events, _CLAIM_EVENTS), min(room.bytes, _CLAIM_BYTES))

    async def _adopt(self) -> None:
        fields = await self._availability.until(self._claims.claimed_fields)
        if fields.foreign:
            why = "fields of the claimed events that forwarder did not write are ignored"
            log.warning(why, key=self._claims.lease.keys.claimed, fields=fields.foreign)
        # Lengths are known only after reading. With the default of 64 KiB per event: 128 at a time, at most 8 MiB.
        page = max(1, min(1_000, 2 * _CLAIM_BYTES // self._stock.max_event_bytes))
        while fields:
            await self._stock.room()
            ids = fields.take(page)
            await self._adopt_page(ids)

    async def _adopt_page(self, ids: Sequence[tuple[int, int]]) -> None:
        longest = self._stock.max_event_bytes
        elements = await self._availability.until(lambda: self._claims.read(ids, most_bytes_of_one=longest))
        self._metrics.events_adopted.inc(len(ids))
        here = [(*each, element) for each, element in zip(ids, elements, strict=True) if element is not None]
        stamps = [stamp for _, stamp, _ in here]
        for stamp in stamps:
            self._settler.expect(stamp, 1)
        self._take([element for _, _, element in here], [number for number, _, _ in here], stamps)

    async def _claim(self, most: int, most_bytes: int) -> None:
        longest = self._stock.max_event_bytes
        claimed = await self._availability.until(
            lambda: self._claims.claim(most=most, most_bytes=most_bytes, most_bytes_of_one=longest)
        )
        self._stock.still_waiting(claimed.waiting)
        if not claimed.elements:
            await self._wait()
            return
        self._metrics.events_claimed.inc(len(claimed.elements))
        self._settler.expect(claimed.stamp, len(claimed.elements))
        self._take(claimed.elements, claimed.numbers, [claimed.stamp] * len(claimed.elements))

    async def _wait(self) -> None:
        try:
            await self._claims.wait_for_events(self._blocking, _WAIT)
        except UnreachableError:
            # Either only this connection failed, or Redis is unavailable: the next claim shows which.
            await asyncio.sleep(_PAUSE)

    def _take(self, elements: Sequence[bytes | int], numbers: Sequence[int], stamps: Sequence[int]) -> None:
        longest = self._stock.max_event_bytes
        for start in range(0, len(elements), _PAGE):
            page = slice(start, start + _PAGE)
            events, invalid = decode_page(elements[page], numbers[page], stamps[page], longest)
            for each in invalid:
                self._settler.invalid(each)
            self._stock.add(events)
