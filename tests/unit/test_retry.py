import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

from forwarder.errors import DeniedError, LeaseLostError, RefusedError, UnreachableError
from forwarder.retry import Backoff, patiently, until_reachable

#: The table in the module's docstring: the longest backoff after each failure in a row.
CEILINGS = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]

AGAIN = True


class Naps:
    """Records how long each sleep was to be, and does not sleep."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float, asked: float = 0.0) -> None:
        assert asked <= seconds
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


@pytest.mark.virtual_time
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


@pytest.mark.virtual_time
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


class Clock:
    """Turned by whoever sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_an_operators_command_is_repeated_for_five_seconds_and_then_fails(seed: int) -> None:
    attempts, clock = list[int](), Clock()
    with pytest.raises(UnreachableError, match="failure"):
        await patiently(failing(times=10_000, attempts=attempts), sleep=clock.sleep, clock=clock)
    assert 5.0 < clock.now < 5.5
    assert len(attempts) > 10


async def test_a_redis_that_refuses_the_first_connection_is_given_a_second_to_restart(seed: int) -> None:
    clock = Clock()

    async def command() -> None:
        raise RefusedError("Redis refused the connection")

    with pytest.raises(RefusedError):
        await patiently(command, refused=1.0, sleep=clock.sleep, clock=clock)
    assert 1.0 < clock.now < 1.6
    with pytest.raises(RefusedError):
        await patiently(command, sleep=clock.sleep, clock=clock)
    assert clock.now > 6.0, "one that has answered before is waited for"


async def test_the_second_to_restart_begins_with_the_first_refusal() -> None:
    clock = Clock()
    answers: Iterator[UnreachableError | None] = iter([UnreachableError("no answer"), RefusedError("refused"), None])

    async def command() -> None:
        if error := next(answers):
            clock.now += 1.5
            raise error

    await patiently(command, refused=1.0, sleep=clock.sleep, clock=clock)


async def test_an_operators_command_survives_some_failures(seed: int) -> None:
    clock = Clock()
    assert await patiently(failing(times=5, attempts=[]), sleep=clock.sleep, clock=clock) == "reply"
    assert clock.now < 2.5


async def test_an_operators_command_that_is_denied_fails_at_once() -> None:
    naps = Naps()

    async def command() -> None:
        raise DeniedError("NOPERM")

    with pytest.raises(DeniedError):
        await patiently(command, sleep=naps)
    assert naps.taken == []
