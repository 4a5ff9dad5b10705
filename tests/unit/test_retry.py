import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from statistics import mean

import pytest

from forwarder.errors import LeaseLostError, UnreachableError
from forwarder.retry import Backoff, ceiling, until_reachable

#: The table in the module's docstring: the longest backoff after each failure in a row.
CEILINGS = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]

AGAIN = True


class Naps:
    """Records how long each sleep was to be, and does not sleep."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def answering(results: Iterable[str]) -> Callable[[], Awaitable[str]]:
    coming = iter(results)

    async def attempt() -> str:
        return next(coming)

    return attempt


async def backed_off(results: Iterable[str], *, at_least: float = 0.0) -> list[float]:
    """The backoffs until something else than "again" comes."""
    naps = Naps()
    backoff = Backoff(initial=0.5, maximum=60.0, sleep=naps)
    first, *others = results
    result = await backoff.until(
        first, answering(others), again=lambda result: result == "again", at_least=lambda _: at_least
    )
    assert result == "done"
    return naps.taken


@pytest.fixture
def seed() -> int:
    drawn = random.randrange(1 << 32)
    print("seed", drawn)
    random.seed(drawn)  # tenacity draws from the shared generator
    return drawn


def test_the_ceiling_is_that_of_the_table() -> None:
    assert [ceiling(failures, initial=0.5, maximum=60.0) for failures in range(1, 11)] == CEILINGS


def test_the_ceiling_stands_however_many_failures_there_were() -> None:
    assert ceiling(10**9, initial=0.5, maximum=60.0) == 60.0


async def test_a_result_that_needs_no_other_attempt_costs_no_backoff() -> None:
    assert await backed_off(["done", "never asked"]) == []


async def test_every_attempt_but_the_first_follows_one_backoff() -> None:
    assert len(await backed_off(["again"] * 5 + ["done"])) == 5


async def test_no_backoff_exceeds_its_ceiling_and_on_average_it_is_half_of_it(seed: int) -> None:
    runs = [await backed_off(["again"] * 10 + ["done"]) for _ in range(300)]
    for ceiling_, backoffs in zip(CEILINGS, zip(*runs, strict=True), strict=True):
        assert min(backoffs) >= 0
        assert max(backoffs) <= ceiling_
        assert 0.4 < mean(backoffs) / ceiling_ < 0.6, "full jitter"


async def test_a_backoff_is_never_shorter_than_the_answer_asked_for(seed: int) -> None:
    assert await backed_off(["again"] * 3 + ["done"], at_least=90.0) == [90.0] * 3


async def test_what_an_answer_asks_for_does_not_shorten_the_backoff(seed: int) -> None:
    backoffs = await backed_off(["again"] * 200 + ["done"], at_least=1.0)
    assert min(backoffs) == 1.0
    assert max(backoffs) > 30.0


async def test_each_answer_is_asked_for_its_own_wait(seed: int) -> None:
    naps = Naps()
    backoff = Backoff(initial=0.001, maximum=0.001, sleep=naps)
    await backoff.until("7", answering(["3", "5", ""]), again=bool, at_least=float)
    assert naps.taken == [7.0, 3.0, 5.0]


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_what_an_attempt_raises_is_raised_and_not_tried_again(before: int) -> None:
    attempts = 0

    async def attempt() -> bool:
        nonlocal attempts
        attempts += 1
        if attempts > before:
            raise LeaseLostError
        return True

    with pytest.raises(LeaseLostError):
        await Backoff(initial=0.5, maximum=60.0, sleep=Naps()).until(AGAIN, attempt, again=bool, at_least=float)
    assert attempts == before + 1


@pytest.mark.looptime
async def test_a_cancelled_backoff_ends_at_once_and_tries_no_more() -> None:
    attempts = []

    async def attempt() -> bool:
        attempts.append(asyncio.get_running_loop().time())
        return True

    backoff = Backoff(initial=0.5, maximum=60.0)
    task = asyncio.create_task(backoff.until(AGAIN, attempt, again=bool, at_least=lambda _: 1000.0))
    await asyncio.wait([task], timeout=1.0)
    task.cancel()
    await asyncio.wait([task], timeout=5000.0)
    assert task.cancelled()
    assert attempts == []


@pytest.mark.looptime
async def test_the_time_asked_for_really_passes() -> None:
    backoff = Backoff(initial=0.5, maximum=60.0)
    await backoff.until("30", answering([""]), again=bool, at_least=float)
    assert asyncio.get_running_loop().time() == pytest.approx(30.0, abs=1e-3)


def failing(*, times: int, attempts: list[int]) -> Callable[[], Awaitable[str]]:
    async def command() -> str:
        attempts.append(len(attempts))
        if len(attempts) <= times:
            raise UnreachableError(f"failure {len(attempts)}")
        return "reply"

    return command


async def test_a_command_is_repeated_until_redis_serves_however_long_that_takes(seed: int) -> None:
    naps, attempts, told = Naps(), list[int](), list[UnreachableError]()
    command = failing(times=500, attempts=attempts)
    assert await until_reachable(command, failed=told.append, sleep=naps) == "reply"
    assert len(attempts) == 501
    assert [str(error) for error in told] == [f"failure {number}" for number in range(1, 501)]
    assert max(naps.taken) <= 2.0, "the lease runs out meanwhile"
    assert sum(naps.taken) > 100.0, "no storm of attempts either"


async def test_a_command_that_succeeds_tells_nobody_and_does_not_pause() -> None:
    naps, told = Naps(), list[UnreachableError]()
    assert await until_reachable(failing(times=0, attempts=[]), failed=told.append, sleep=naps) == "reply"
    assert (naps.taken, told) == ([], [])


async def test_every_other_error_of_a_command_is_raised_at_once() -> None:
    told = list[UnreachableError]()

    async def command() -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        await until_reachable(command, failed=told.append, sleep=Naps())
    assert told == []
