"""Whether this process's API address is known to have answered 202: what Redis knows of it, and what it learns."""

from collections.abc import Callable

from forwarder.api.doubts import Doubts
from forwarder.queue.queue import Queue

#: Seconds between two notes of an address that keeps answering 202. Redis remembers one for a week.
_RENEWAL = 3600.0


class Address:
    """Keeps the doubts of this process and what Redis knows in step.

    Every method raises UnreachableError when Redis gives no answer, and may be repeated.

    Args:
        queue: where addresses are remembered.
        doubts: of this process, about its address.
        clock: seconds, monotonic.
    """

    def __init__(self, queue: Queue, doubts: Doubts, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._doubts = doubts
        self._clock = clock
        self._due = float("-inf")

    async def read(self) -> None:
        """Learns what others have seen: to be called before the first POST, or a 404 could halt for nothing."""
        if not self._doubts.known and await self._queue.address() == self._doubts.address:
            self._doubts.known = True

    async def attend(self) -> None:
        """To be called with each heartbeat: notes the first 202, and then one every hour."""
        await self.read()
        now = self._clock()
        if self._doubts.answered and now >= self._due:
            await self._queue.note_address(self._doubts.address)
            self._doubts.answered = False
            self._due = now + _RENEWAL
