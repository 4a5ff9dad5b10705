"""Whether a POST may start, and if not, why."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from forwarder.errors import LeaseLostError, RolledBackError
from forwarder.outcome import Halt
from forwarder.queue import Lease

#: Seconds a settlement may be unanswered before no POST starts any more: what is sent then could be sent twice.
_STALLED = 1.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """A person or the supervisor asked for it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease, or what Redis knew of it, is gone. Nothing can be settled any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Halted:
    """Nothing may be sent. ``halt`` is this owner's own reason, or None when another worker or list found it."""

    halt: Halt | None


Ending = Stopped | Lost | Halted


class Gate:
    """Lets POSTs start while this ownership lasts, and while they can still be settled under its lease.

    Args:
        lease: of the list.
        margin: seconds that a POST and its settlement may take. The gate closes this long before the lease ends.
        clock: seconds, monotonic; the lease's.
    """

    def __init__(self, lease: Lease, *, margin: float, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._margin = margin
        self._clock = clock
        self._news = asyncio.Event()
        self._settling_since: float | None = None
        #: Done as soon as the ownership must end. It is the only record of that, so no POST can start between the
        #: decision and its announcement.
        self.closed: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def close(self, why: Ending) -> None:
        """From now on no POST starts. The first reason is kept."""
        if not self.closed.done():
            self.closed.set_result(why)

    def is_open(self) -> bool:
        """Whether a POST that starts now can be answered and settled by this owner."""
        return (
            not self.closed.done()
            and self._lease.end - self._clock() > self._margin
            and (self._settling_since is None or self._clock() - self._settling_since <= _STALLED)
        )

    async def opened(self) -> None:
        """Waits until it is open. After :meth:`close` that is never."""
        while not self.is_open():
            self._news.clear()
            await self._news.wait()

    def renewed(self) -> None:
        """The lease has been extended."""
        self._news.set()

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Holds POSTs back once the body, which settles, has been unanswered for a second."""
        self._settling_since = self._clock()
        try:
            yield
        finally:
            self._settling_since = None
            self._news.set()

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Closes the gate if the body finds that the lease, or what Redis knew of it, is gone."""
        try:
            yield
        except (LeaseLostError, RolledBackError) as error:
            self.close(Lost(str(error)))
