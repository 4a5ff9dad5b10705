"""The same number of seconds for each of many tasks, by one timer for all of them."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedTimeout:
    """Ends what takes too long.

    As everyone has the same time, whoever began first runs out first, and a timer for that one is enough. A timer
    for each POST, as aiohttp's own timeout sets, costs 8 % of a POST.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: When each one runs out, in that order.
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, work: Awaitable[T]) -> T:
        """The result of `work`, one at a time for each task.

        Raises:
            TimeoutError: it took too long and was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None, "awaited outside of a task"  # noqa: S101
        cancelling = task.cancelling()
        self._ends[task] = asyncio.get_running_loop().time() + self._seconds
        if self._timer is None:
            self._wake()
        try:
            return await work
        except asyncio.CancelledError:
            # As asyncio.timeout does: whoever else has cancelled the task meanwhile must not be overheard.
            if task not in self._ends and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._ends.pop(task, None)

    def _wake(self) -> None:
        """Cancels who has run out of time, and sets the timer for the next one, if there is one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, end in list(self._ends.items()):
            if end > loop.time():
                self._timer = loop.call_at(end, self._wake)
                return
            del self._ends[task]
            task.cancel()
