"""Fills the stock with decoded events: first those that an earlier owner had claimed, oldest first, then new claims."""

import asyncio
from collections.abc import Iterator, Sequence

import structlog

from forwarder.errors import UnreachableError
from forwarder.event import decode_page
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.recognition import Recognition
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.claim_ids import ClaimId
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
#: This many elements are decoded together, of this many bytes, or one. Longer pages are not faster, and a single
#: element that needs careful decoding slows down its whole page.
_PAGE, _PAGE_BYTES = 128, 65_536
#: Seconds of decoding after which others may run. Decoding 64 KiB takes 0.1 ms, or 10 ms at worst: then a claim of
#: 4 MiB takes 0.6 s, in which the event loop is never busy for more than 20 ms.
_LONGEST_STEP = 0.01

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
            async with self._stock.room(_CLAIM_EVENTS, _CLAIM_BYTES) as room:
                found = await self._claim(room.events, room.bytes)
            if not found:
                await self._wait()

    async def _adopt(self) -> None:
        fields = await self._availability.until(self._claims.claimed_fields)
        if fields.foreign:
            why = "fields of the claimed events that forwarder did not write are ignored"
            log.warning(why, key=self._claims.lease.keys.claimed, fields=fields.foreign)
        while fields:
            async with self._stock.room(_CLAIM_EVENTS, _CLAIM_BYTES) as room:
                await self._adopt_page(fields.take(*room))

    async def _adopt_page(self, ids: Sequence[ClaimId]) -> None:
        longest = self._stock.max_event_bytes
        elements = await self._availability.until(lambda: self._claims.read(ids, most_bytes_of_one=longest))
        self._metrics.events_adopted.inc(len(ids))
        await self._take(elements, [number for number, _ in ids], [stamp for _, stamp in ids])

    async def _claim(self, most: int, most_bytes: int) -> int:
        """Claims up to so much. Returns how many elements that were."""
        longest = self._stock.max_event_bytes
        claimed = await self._availability.until(
            lambda: self._claims.claim(most=most, most_bytes=most_bytes, most_bytes_of_one=longest)
        )
        self._stock.still_waiting(claimed.waiting)
        self._metrics.events_claimed.inc(len(claimed.elements))
        await self._take(claimed.elements, claimed.numbers, [claimed.stamp] * len(claimed.elements))
        return len(claimed.elements)

    async def _wait(self) -> None:
        try:
            await self._claims.wait_for_events(self._blocking, _WAIT)
        except UnreachableError:
            # Either only this connection failed, or Redis is unavailable: the next claim shows which.
            await asyncio.sleep(_PAUSE)

    async def _take(self, elements: Sequence[bytes | int], numbers: Sequence[int], stamps: Sequence[int]) -> None:
        """Decodes elements, and lets others run after each few milliseconds of it."""
        self._settler.expect(numbers, stamps)
        longest, loop = self._stock.max_event_bytes, asyncio.get_running_loop()
        since = loop.time()
        for page in _pages(elements):
            if loop.time() - since > _LONGEST_STEP:
                await asyncio.sleep(0)
                since = loop.time()
            events, invalid = decode_page(elements[page], numbers[page], stamps[page], longest)
            self._settler.decoded(events, invalid)
            self._stock.add(events)


def _pages(elements: Sequence[bytes | int]) -> Iterator[slice]:
    """Which elements to decode together. A page with too many bytes is halved; nearly none is."""
    start = 0
    while start < len(elements):
        count = min(_PAGE, len(elements) - start)
        while count > 1 and _size(elements[start : start + count]) > _PAGE_BYTES:
            count //= 2
        yield slice(start, start + count)
        start += count


def _size(elements: Sequence[bytes | int]) -> int:
    return sum([element if isinstance(element, int) else len(element) for element in elements])
