"""Reads the status again and again until a signal comes. A Redis that is away is waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from forwarder.cli.output import with_remedy
from forwarder.errors import UnreachableError
from forwarder.operations.status import Status
from forwarder.retry import Sleep, first_of
from forwarder.runtime.signals import ending

#: What was read is old when the next look has lasted this many seconds. A slow Redis needs one.
_LATE = 2.0


class Watch:
    """What was read last, and why nothing newer could be read.

    Args:
        first: what was read first.
        read: reads a status.
        every: seconds between two looks.
    """

    def __init__(
        self,
        first: Status,
        read: Callable[[], Awaitable[Status]],
        every: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.found = first
        self.problem = ""
        self._read = read
        self._every = every
        self._clock = clock
        self._sleep = sleep
        self._at = clock()

    @property
    def age(self) -> float:
        """Seconds since Redis answered."""
        return self._clock() - self._at

    @property
    def is_old(self) -> bool:
        """Whether Redis should have answered again by now."""
        return bool(self.problem) or self.age > self._every + _LATE

    async def follow(self, show: Callable[[], None]) -> None:
        """Reads again and again. Calls `show` after each reading, also after one that failed."""
        while True:
            show()
            await self._sleep(self._every)
            try:
                self.found, self.problem = await self._read(), ""
                self._at = self._clock()
            except UnreachableError as error:
                self.problem = with_remedy(error)


async def until_ended(*work: Coroutine[Any, Any, None]) -> None:
    """Does all of this until one of them fails, or until a signal comes: Ctrl-C, or another one that ends a process."""
    ended = asyncio.Event()
    for number in ending():
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await first_of(_together(work), ended)


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)
