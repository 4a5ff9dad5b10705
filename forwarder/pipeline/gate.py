"""Whether a POST may start, and if not, why."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from forwarder.errors import LeaseLostError, RolledBackError
from forwarder.outcome import Halt
from forwarder.queue.lease import Lease
from forwarder.runtime.cancellation import raise_if_cancelled

#: Once a settlement has been unanswered for this many seconds, no POST starts. If Redis is gone, events that are
#: accepted from now on cannot be settled, and the next owner sends them again.
_STALLED = 1.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asked for it: the process stops, or the list goes to another worker."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease, or what Redis knew of it, is gone. Nothing can be settled any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Halted:
    """Nothing may be sent. ``halt`` is the reason that this owner found; None if another worker or list found one."""

    halt: Halt | None


Ending = Stopped | Lost | Halted


class Gate:
    """Lets POSTs start while this ownership lasts, and while they can still be settled under its lease.

    Example: a lease of 30 s and a margin of 10 s. POSTs may start during the first 20 s after each
    command that extends the lease (renew, claim, settle). A POST that
    starts then has at least 10 s to be answered and settled before another worker can own the list.

    Args:
        lease: of the list.
        margin: seconds that a POST and its settlement may take. No POST starts this long before the lease ends.
        clock: seconds, monotonic; the lease's.
    """

    def __init__(self, lease: Lease, *, margin: float, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._margin = margin
        self._clock = clock
        self._news = asyncio.Event()
        self._settling_since: float | None = None
        #: Done as soon as the ownership must end: then the gate is closed for good. Before that it may be shut for a
        #: moment, see :meth:`is_open`. It is the only record of the end, so no POST can start between the
        #: decision and its announcement.
        self.closed: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        #: Whether the lease was lost, be it after the gate was closed for another reason.
        self.lost = False

    def close(self, why: Ending) -> None:
        """From now on no POST starts. The first reason is kept."""
        if not self.closed.done():
            self.closed.set_result(why)

    @property
    def halted(self) -> bool:
        """Whether the gate was closed because of a halt."""
        return self.closed.done() and isinstance(self.closed.result(), Halted)

    def is_open(self) -> bool:
        """Whether a POST that starts now can be answered and settled by this owner."""
        return (
            not self.closed.done()
            and self._lease.end - self._clock() > self._margin
            and (self._settling_since is None or self._clock() - self._settling_since <= _STALLED)
        )

    async def opened(self) -> None:
        """Waits until the gate is open. Never returns after :meth:`close`."""
        while not self.is_open():
            self._news.clear()
            await self._news.wait()

    def renewed(self) -> None:
        """To be called when the lease has been renewed."""
        self._news.set()

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Wraps a settlement. Once the body has taken a second, no POST starts until it ends."""
        self._settling_since = self._clock()
        try:
            yield
        finally:
            self._settling_since = None
            self._news.set()

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Closes the gate if the body raises that the lease is lost, or that Redis went back in time.

        It also does so if a library cancels what nobody has cancelled. The task would end silently and leave its events
        claimed; now this ownership ends, and the next one adopts them.
        """
        try:
            yield
        except (LeaseLostError, RolledBackError) as error:
            self.lost = True
            self.close(Lost(str(error)))
        except asyncio.CancelledError:
            raise_if_cancelled()
            self.lost = True
            self.close(Lost("a part of the work was cancelled, and not by this program"))
