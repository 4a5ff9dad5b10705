"""Looking again and again: Redis may be away for a while, and what was read last then counts as old."""

import asyncio
from contextlib import suppress

import pytest

from forwarder.cli.status.watch import Watch
from forwarder.diagnosis.facts import Facts
from forwarder.errors import UnreachableError, WrongTypeError
from forwarder.operations.status import Status

pytestmark = pytest.mark.virtual_time

GONE = UnreachableError("Redis at 127.0.0.1:1 refused the connection")


def status(number: int) -> Status:
    return Status(f"{number}", (), (), None, Facts(), ())


async def followed(replies: list[tuple[float, Status | Exception]], seconds: float) -> list[tuple[float, str, str]]:
    """What is shown, and when, if each look takes so long and ends so; the last one ends never."""
    loop = asyncio.get_running_loop()
    left = iter(replies)

    async def read() -> Status:
        takes, reply = next(left, (1e9, status(0)))
        await asyncio.sleep(takes)
        if isinstance(reply, Exception):
            raise reply
        return reply

    watch = Watch(status(0), read, 2.0, clock=loop.time)
    shown = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await watch.follow(lambda: shown.append((loop.time(), watch.found.queue, watch.problem)))
    return [*shown, (loop.time(), f"{watch.age:g} s old", "old" if watch.is_old else "")]


async def test_each_look_is_shown_and_between_two_of_them_is_a_pause() -> None:
    replies: list[tuple[float, Status | Exception]] = [(0.5, status(1)), (0.5, status(2))]
    found = await followed(replies, 6.0)
    assert found == [(0.0, "0", ""), (2.5, "1", ""), (5.0, "2", ""), (6.0, "1 s old", "")]


async def test_while_redis_is_away_the_last_status_stays_and_the_reason_is_known() -> None:
    replies: list[tuple[float, Status | Exception]] = [(0.0, status(1)), (5.0, GONE), (5.0, GONE), (0.0, status(2))]
    assert await followed(replies, 19.0) == [
        (0.0, "0", ""),
        (2.0, "1", ""),
        (9.0, "1", f"{GONE}"),
        (16.0, "1", f"{GONE}"),
        (18.0, "2", ""),
        (19.0, "1 s old", ""),
    ]


@pytest.mark.parametrize(("seconds", "is_old"), [(5.9, ""), (6.1, "old")])
async def test_what_is_shown_is_old_once_a_look_lasts_for_two_seconds(seconds: float, is_old: str) -> None:
    assert (await followed([(0.0, status(1))], seconds))[-1] == (seconds, f"{seconds - 2:g} s old", is_old)


async def test_what_only_a_person_can_correct_ends_it() -> None:
    with pytest.raises(WrongTypeError):
        await followed([(0.0, WrongTypeError("{q}:sequence", "a list", "a string"))], 6.0)
