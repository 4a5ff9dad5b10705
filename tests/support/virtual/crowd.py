"""Users who want to POST, on a virtual clock, for the tests of pacing."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

from forwarder.api.pacing.permits import Pacer, Permit, Signal

#: Called with a user and the start of a POST. Returns what its answer says, and the seconds of Retry-After.
Says = Callable[[str, float], tuple[Signal, float | None]]


def pacer(*, concurrency: int = 64, rate: float = 0.0, clock: Callable[[], float] | None = None) -> Pacer:
    return Pacer(
        concurrency=concurrency,
        rate=rate,
        initial_pause=0.5,
        longest_pause=60.0,
        clock=clock or asyncio.get_running_loop().time,
    )


def all_good(_user: str, _started: float) -> tuple[Signal, None]:
    return Signal.GOOD, None


def all_fail(_user: str, _started: float) -> tuple[Signal, None]:
    return Signal.TROUBLE, None


class Crowd:
    """Users who POST as fast as they may, one POST at a time each, to an API that answers after `latency`."""

    def __init__(self, paced: Pacer, *, latency: float = 0.1, says: Says = all_good) -> None:
        self.pacer = paced
        self.latency = latency
        self.says = says
        self.starts: list[float] = []
        self.good: list[float] = []
        self.in_flight = self.most_in_flight = 0

    async def run(self, users: int, seconds: float) -> None:
        tasks = [asyncio.create_task(self._keep_posting(f"u{number}")) for number in range(users)]
        ended, running = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in running:
            task.cancel()
        await asyncio.wait(tasks)
        for task in ended:
            task.result()

    async def _keep_posting(self, user: str) -> None:
        while True:
            await self._post(user, await self.pacer.permit())

    async def _post(self, user: str, permit: Permit) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.starts.append(permit.since)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        answered = loop.create_future()
        timer = loop.call_later(self.latency, answered.set_result, None)
        try:
            await answered
        except asyncio.CancelledError:
            timer.cancel()
            self.pacer.unused(permit)
            raise
        finally:
            self.in_flight -= 1
        signal, retry_after = self.says(user, started)
        if signal is Signal.GOOD:
            self.good.append(loop.time())
        self.pacer.returned(permit, user, signal, retry_after)

    def most_in_a_second(self) -> int:
        return most_in_a_second(self.starts)

    def gaps(self, since: float) -> list[float]:
        starts = [start for start in self.starts if start >= since]
        return [later - sooner for sooner, later in pairwise(starts)]


def most_in_a_second(starts: Sequence[float]) -> int:
    """The largest number of starts in any window of one second. A nanosecond is left to rounding."""
    first = most = 0
    for last, start in enumerate(starts):
        while start - starts[first] >= 1.0 - 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


async def granted(task: asyncio.Task[Permit], within: float = 1000.0) -> bool:
    return bool((await asyncio.wait([task], timeout=within))[0])


def asked(paced: Pacer) -> asyncio.Task[Permit]:
    return asyncio.create_task(paced.permit())


async def in_line(paced: Pacer) -> asyncio.Task[Permit]:
    """A request for a permit that cannot be granted yet."""
    task = asked(paced)
    assert not await granted(task, within=0.001)
    return task
