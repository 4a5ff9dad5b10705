"""When to retry, and how long to wait. The only module that imports tenacity.

With the defaults (0.5 s doubling to 60 s, full jitter, so half of the ceiling on average)::

    attempt   backoff at most   on average   cumulative average
       2            0.5 s          0.25 s          0.25 s
       3            1.0 s          0.50 s          0.75 s
       4            2.0 s          1.00 s          1.75 s
       5            4.0 s          2.00 s          3.75 s
       6            8.0 s          4.00 s          7.75 s
       7           16.0 s          8.00 s         15.75 s
       8           32.0 s         16.00 s         31.75 s
       9 and on    60.0 s         30.00 s         + 30 s each

Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never, wait_random_exponential

from forwarder.errors import DeniedError, RefusedError, UnreachableError

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]

#: Seconds for which an operator's command is repeated while Redis gives no answer.
PATIENCE = 5.0
#: Seconds for which the first connection may be refused: a Redis that restarts is back by then, and one that is down is
#: said to be down while somebody still looks.
RESTART = 1.0


async def _sleep(seconds: float, _asked: float) -> None:
    await asyncio.sleep(seconds)


class Backoff:
    """Repeats an attempt while its result asks for it, sleeping in between with full jitter.

    Args:
        initial: the longest first backoff, in seconds. It doubles from one to the next.
        maximum: the longest backoff, in seconds.
        sleep: called with the seconds of a backoff, and with those among them that the result has asked for.
    """

    def __init__(
        self, *, initial: float, maximum: float, sleep: Callable[[float, float], Awaitable[None]] = _sleep
    ) -> None:
        self._wait = wait_random_exponential(multiplier=initial, max=maximum)
        self._sleep = sleep

    async def until(
        self,
        first: T,
        attempt: Callable[[], Awaitable[T]],
        *,
        again: Callable[[T], bool],
        at_least: Callable[[T], float],
    ) -> T:
        """The first result that need not be retried.

        Args:
            first: the result of the attempt before.
            attempt: tried after each backoff. What it raises is raised.
            again: whether a result must be retried.
            at_least: the least seconds to wait after a result.
        """
        asked = 0.0

        def wait(state: RetryCallState) -> float:
            nonlocal asked
            asked = at_least(state.outcome.result()) if state.outcome else 0.0
            return max(asked, float(self._wait(state)))

        async def sleep(seconds: float) -> None:
            await self._sleep(seconds, asked)

        known = [first]

        async def first_or_next() -> T:
            return known.pop() if known else await attempt()

        retrying = AsyncRetrying(retry=retry_if_result(again), wait=wait, stop=stop_never, sleep=sleep)
        return await retrying(first_or_next)


async def until_reachable(
    command: Callable[[], Awaitable[T]],
    *,
    failed: Callable[[UnreachableError], None],
    maximum: float = 2.0,
    sleep: Sleep = asyncio.sleep,
) -> T:
    """Repeats a Redis command until Redis is available; every other error is raised.

    Args:
        command: safe to send again.
        failed: called with each failure.
        maximum: longest pause in seconds; short, as the lease runs out meanwhile.
        sleep: how to wait between two attempts.
    """
    jitter = wait_random_exponential(multiplier=0.05, max=maximum)

    def again(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, UnreachableError):
            failed(error)
            return True
        return False

    try:
        return await command()  # nearly every time; a try of tenacity's costs 40 us, and each settlement is one
    except UnreachableError as error:
        known = [error]

    async def attempt() -> T:  # tenacity awaits what an `async def` returns, and only that
        if known:
            raise known.pop()
        return await command()

    retrying = AsyncRetrying(retry=again, wait=jitter, stop=stop_never, sleep=sleep, reraise=True)
    return await retrying(attempt)


async def patiently(
    command: Callable[[], Awaitable[T]],
    *,
    refused: float | None = None,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Repeats an operator's Redis command for up to five seconds, so that one lost packet does not fail it.

    A command that was denied is not repeated: only a person can change that.

    Args:
        command: safe to send again.
        refused: seconds for which the connection may be refused; by default as long as there may be no answer. They
            begin with the first refusal: a Redis that is about to stop answers late, and is then down for a moment.
        sleep: how to wait between two tries.
        clock: seconds, monotonic.

    Raises:
        UnreachableError: Redis has not answered for five seconds; or DeniedError, at once.
    """
    deadline, refused_since = clock() + PATIENCE, float("inf")

    def failed(error: UnreachableError) -> None:
        nonlocal refused_since
        now = clock()
        refused_since = min(now, refused_since) if isinstance(error, RefusedError) else float("inf")
        if isinstance(error, DeniedError) or now > min(deadline, refused_since + (refused or PATIENCE)):
            raise error

    return await until_reachable(command, failed=failed, maximum=0.5, sleep=sleep)


async def wait_at_most(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits until an event is set, or for this long; None is for ever. Returns whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def first_of(work: Awaitable[T], *interrupts: asyncio.Event | asyncio.Future[Any]) -> T | None:
    """The result of `work`, or None if an event is set or a future is done before that; `work` is cancelled then."""
    working = asyncio.ensure_future(work)
    waiting = [asyncio.ensure_future(each.wait()) for each in interrupts if isinstance(each, asyncio.Event)]
    futures = [each for each in interrupts if isinstance(each, asyncio.Future)]
    try:
        await asyncio.wait({working, *waiting, *futures}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, *waiting):
            task.cancel()


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks until all have ended.

    Once is not enough: redis-py waits with asyncio.wait_for, which before Python 3.12 can lose a cancellation.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)
