"""Whether a list holds events at all. This is asked once, before the first event is ever claimed from a list.

A wrong FORWARDER_QUEUE can name another program's list. Claiming from it would take its elements away. So as long as
nothing was ever claimed, the oldest elements are looked at where they are.
"""

import asyncio

from forwarder.errors import InvalidElementError
from forwarder.event import decode
from forwarder.outcome import Halt, HaltReason
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.gate import Gate, Halted
from forwarder.queue.claims import Claims
from forwarder.queue.queue import Queue

#: This many elements are looked at. If none of them is an event, the list belongs to another program.
ENOUGH = 100


class Recognition:
    """Recognizes a list of events by its oldest elements.

    Example: three broken elements, then a valid one: this is a list of events. A hundred lines of somebody's log: the
    service halts `misdirected`, and the list stays as it is. Three lines of a log and nothing else: too few to tell, so
    they are claimed, and become dead letters. If more follow, the dead-letter brake stops the service.
    """

    def __init__(
        self, claims: Claims, queue: Queue, gate: Gate, availability: Availability, *, max_event_bytes: int
    ) -> None:
        self._claims = claims
        self._queue = queue
        self._gate = gate
        self._availability = availability
        self._max_event_bytes = max_event_bytes

    async def done(self) -> bool:
        """Whether events may be claimed. False while the list is empty. Closes the gate if it holds something else."""
        if self._claims.ever:
            return True
        elements = await self._availability.until(
            lambda: self._claims.peek(most=ENOUGH, most_bytes_of_one=self._max_event_bytes)
        )
        if len(elements) < ENOUGH:
            return bool(elements)
        for element in elements:
            if self._is_event(element):
                return True
            await asyncio.sleep(0)  # a hostile element takes milliseconds to decode
        if await self._availability.until(self._queue.recognized):
            return True
        detail = (
            f"none of the first {ENOUGH} elements of {self._claims.lease.keys.list} is an event: "
            "is FORWARDER_QUEUE right?"
        )
        self._gate.close(Halted(Halt(HaltReason.MISDIRECTED, detail)))
        return False

    def _is_event(self, element: bytes | int) -> bool:
        if isinstance(element, int):
            return False
        try:
            decode(element, max_bytes=self._max_event_bytes)
        except InvalidElementError:
            return False
        return True
