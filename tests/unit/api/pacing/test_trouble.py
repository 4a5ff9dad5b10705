import asyncio
import itertools

import pytest

from forwarder.api.pacing.permits import Signal
from tests.support.virtual.crowd import Crowd, all_fail, asked, granted, pacer

pytestmark = pytest.mark.virtual_time


async def test_retry_after_holds_everyone_until_then_and_not_longer() -> None:
    def says(user: str, started: float) -> tuple[Signal, float | None]:
        return (Signal.PUSHBACK, 30.0) if user == "u7" and started > 1 else (Signal.GOOD, None)

    crowd = Crowd(pacer(concurrency=16), says=says)
    await crowd.run(users=32, seconds=40)
    pushed_back = max(good for good in crowd.good if good < 20)
    assert [start for start in crowd.starts if pushed_back < start < pushed_back + 29.9] == []
    assert max(crowd.gaps(since=0)) == pytest.approx(30.0, abs=0.2)


async def test_a_shorter_retry_after_does_not_shorten_a_longer_one() -> None:
    paced = pacer()
    first, second = await paced.permit(), await paced.permit()
    paced.returned(first, "a", Signal.PUSHBACK, 30.0)
    paced.returned(second, "b", Signal.PUSHBACK, 1.0)
    waiting = asked(paced)
    assert not await granted(waiting, within=29.9)
    assert await granted(waiting, within=0.2)


async def test_a_straggler_that_succeeds_does_not_lift_a_retry_after() -> None:
    paced = pacer()
    held, straggler = await paced.permit(), await paced.permit()
    paced.returned(held, "a", Signal.PUSHBACK, 30.0)
    paced.returned(straggler, "b", Signal.GOOD)
    assert not await granted(asked(paced), within=29.9)


async def test_the_end_of_an_outage_does_not_lift_a_retry_after() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(5)]
    for user in "abc":
        paced.returned(permits.pop(), user, Signal.TROUBLE)
    paced.returned(permits.pop(), "d", Signal.PUSHBACK, 30.0)
    paced.returned(permits.pop(), "e", Signal.GOOD)
    assert not await granted(asked(paced), within=29.9)


async def test_the_failures_of_one_round_slow_down_once() -> None:
    paced = pacer(concurrency=10)
    permits = [await paced.permit() for _ in range(10)]
    for permit in permits:
        paced.returned(permit, "u", Signal.TROUBLE)
    assert paced.limit == 5


async def test_trouble_lowers_the_concurrency_and_not_the_rate() -> None:
    paced = pacer(concurrency=10, rate=120)
    paced.returned(await paced.permit(), "u", Signal.TROUBLE)
    assert (paced.limit, paced.rate) == (5, 120)


async def test_after_pushback_the_full_rate_returns_within_seconds() -> None:
    paced = pacer(concurrency=16, rate=120)
    crowd = Crowd(paced, says=lambda _, started: (Signal.PUSHBACK if started < 5 else Signal.GOOD, None))
    await crowd.run(users=32, seconds=5)
    assert paced.rate < 60
    await crowd.run(users=32, seconds=25)
    assert (paced.limit, paced.rate) == (16, 120)


async def test_one_failing_user_neither_slows_the_others_nor_looks_like_an_outage() -> None:
    def says(user: str, _started: float) -> tuple[Signal, None]:
        return Signal.TROUBLE if user == "u3" else Signal.GOOD, None

    paced = pacer(concurrency=8)
    crowd = Crowd(paced, says=says)
    await crowd.run(users=16, seconds=60)
    assert max(crowd.gaps(since=0)) < 0.2, "no gate"
    assert paced.limit == 8
    late = [good for good in crowd.good if good > 10]
    assert len(late) > 0.95 * 50 * 8 / 0.1 * 15 / 16


async def test_one_failing_user_all_alone_does_not_look_like_an_outage() -> None:
    crowd = Crowd(pacer(concurrency=8), says=all_fail)
    await crowd.run(users=1, seconds=60)
    assert max(crowd.gaps(since=0)) < 0.2, "it backs off by itself"


async def test_failing_users_between_whom_others_are_served_do_not_look_like_an_outage() -> None:
    paced = pacer()
    for number in range(20):
        paced.returned(await paced.permit(), f"failing-{number}", Signal.TROUBLE)
        paced.returned(await paced.permit(), "served", Signal.GOOD)
    assert asyncio.get_running_loop().time() < 0.01, "nobody was held"


@pytest.mark.parametrize("latency", [0.001, 0.1, 10.0])
async def test_in_an_hour_of_outage_few_probes_go_out_and_one_at_a_time(latency: float) -> None:
    crowd = Crowd(pacer(rate=120), says=all_fail, latency=latency)
    await crowd.run(users=100, seconds=3600)
    assert min(crowd.gaps(since=300)) >= 60.0
    assert len(crowd.starts) < 150
    assert len([start for start in crowd.starts if start > 300]) >= 45, "nor does it stop probing"


async def test_the_pauses_of_an_outage_double_up_to_the_longest() -> None:
    crowd = Crowd(pacer(concurrency=16), says=all_fail, latency=0.001)
    await crowd.run(users=20, seconds=400)
    pauses = [gap for gap in crowd.gaps(since=0) if gap > 0.1]
    assert pauses[:10] == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.01)


async def test_after_an_hour_of_outage_full_speed_returns_within_seconds() -> None:
    paced = pacer(concurrency=64)
    crowd = Crowd(paced, says=lambda _, started: (Signal.TROUBLE if started < 3600 else Signal.GOOD, None))
    await crowd.run(users=128, seconds=3600)
    assert paced.limit == 1
    waiting = asked(paced)
    assert await granted(waiting, within=61)
    paced.returned(waiting.result(), "probe", Signal.GOOD)
    await crowd.run(users=128, seconds=12)
    full = crowd.good[0] + 10
    assert len([start for start in crowd.starts if full <= start < full + 1]) >= 0.95 * 64 / 0.1


async def test_after_an_outage_the_full_rate_returns_within_seconds() -> None:
    crowd = Crowd(pacer(rate=120), says=lambda _, started: (Signal.TROUBLE if started < 600 else Signal.GOOD, None))
    await crowd.run(users=128, seconds=600)
    waiting = asked(crowd.pacer)
    assert await granted(waiting, within=61)
    crowd.pacer.returned(waiting.result(), "probe", Signal.GOOD)
    await crowd.run(users=128, seconds=5)
    back = crowd.good[0] + 3
    assert len([start for start in crowd.starts if back <= start < back + 1]) >= 0.95 * 120
    assert crowd.most_in_a_second() <= 120


@pytest.mark.parametrize(("every", "least", "most"), [(50, 64, 64), (5, 1, 12)])
async def test_little_trouble_leaves_how_many_at_once_alone_and_much_does_not(
    every: int, least: float, most: float
) -> None:
    """A few users whose POSTs time out are their own trouble; every fifth POST is the API's."""
    answers = itertools.count(1)
    crowd = Crowd(pacer(), says=lambda *_: (Signal.GOOD if next(answers) % every else Signal.TROUBLE, None))
    await crowd.run(users=128, seconds=60)
    assert least <= crowd.pacer.limit <= most
