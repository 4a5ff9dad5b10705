"""Whether a POST may start at all, besides its permit."""

import asyncio
from collections.abc import Callable

from forwarder.pipeline.settlement import Settler
from forwarder.queue import Lease


class Gate:
    """Open while a POST that starts now can be answered and settled within the lease."""

    def __init__(self, lease: Lease, settler: Settler, margin: float, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._settler = settler
        self._margin = margin
        self._clock = clock
        self._news = asyncio.Event()
        self._closed = False

    def is_open(self) -> bool:
        """True while what is sent now can also be settled by this owner."""
        in_time = self._lease.end - self._clock() > self._margin
        return in_time and not self._closed and not self._settler.stalled

    def close(self) -> None:
        """For good. Before the next await: a later batch of a user must not overtake one that was given back."""
        self._closed = True

    def changed(self) -> None:
        """The lease was prolonged, or a settlement answered."""
        self._news.set()

    async def opened(self) -> None:
        """Waits until it is open."""
        while not self.is_open():
            self._news.clear()
            await self._news.wait()
