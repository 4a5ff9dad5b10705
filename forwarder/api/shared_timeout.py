"""Gives many tasks the same timeout with a single timer."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedTimeout:
    """Cancels work that takes too long.

    All work has the same time. So the work that began first runs out first, and one timer for it is enough. A timer for
    each POST, as aiohttp's own timeout sets it, costs 8 % of a POST.

    Example with 10 s: A begins at 0 s and B at 3 s. The timer is set for 10 s. If A ends at 1 s, the timer stays as it
    is. At 10 s it finds that nothing has run out, and is set for 13 s, when B does.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: When the time of each task runs out, on the event loop's clock; the earliest first.
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, work: Awaitable[T]) -> T:
        """The result of `work`. A task may wait for only one piece of work at a time.

        Raises:
            TimeoutError: the work took too long and was cancelled.
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
            # As asyncio.timeout does: if somebody else has cancelled the task too, that cancellation must not be lost.
            if task not in self._ends and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._ends.pop(task, None)

    def _wake(self) -> None:
        """Cancels the tasks whose time has run out, and sets the timer for the next one, if there is one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, end in list(self._ends.items()):
            if end > loop.time():
                self._timer = loop.call_at(end, self._wake)
                return
            del self._ends[task]
            task.cancel()
