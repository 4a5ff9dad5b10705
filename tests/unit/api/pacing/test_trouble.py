import asyncio
import itertools
from collections.abc import Iterable

import pytest

from forwarder.api.pacing.permits import Pacer, Permit, Signal
from tests.support.virtual.crowd import Crowd, all_fail, asked, granted, pacer

pytestmark = pytest.mark.virtual_time


def push_back(paced: Pacer, permits: Iterable[Permit], users: Iterable[str], seconds: Iterable[float]) -> None:
    for permit, user, each in zip(permits, users, seconds, strict=True):
        paced.returned(permit, user, Signal.PUSHBACK, each)


async def test_one_user_that_is_pushed_back_for_minutes_holds_nobody_else() -> None:
    def says(user: str, _started: float) -> tuple[Signal, float | None]:
        return (Signal.PUSHBACK, 600.0) if user == "u7" else (Signal.GOOD, None)

    paced = pacer(concurrency=16, rate=40)
    crowd = Crowd(paced, says=says)
    await crowd.run(users=32, seconds=20)
    assert max(crowd.gaps(since=0)) < 0.2
    assert paced.rate == 40
    assert len(crowd.good) > 0.9 * 20 * 40


async def test_two_users_that_are_pushed_back_all_alone_lower_nothing() -> None:
    paced = pacer(concurrency=16, rate=120)
    crowd = Crowd(paced, says=lambda *_: (Signal.PUSHBACK, 600.0))
    await crowd.run(users=2, seconds=60)
    assert (paced.limit, paced.rate) == (16, 120)
    assert await granted(asked(paced), within=0.1)


async def test_three_users_that_are_pushed_back_hold_everyone_for_the_shortest_of_their_times() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(3)]
    push_back(paced, permits, "abc", (600.0, 30.0, 45.0))
    waiting = asked(paced)
    assert not await granted(waiting, within=29.9)
    assert await granted(waiting, within=0.2)


async def test_everyone_is_held_for_a_minute_at_most() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(3)]
    push_back(paced, permits, "abc", (600.0, 600.0, 600.0))
    waiting = asked(paced)
    assert not await granted(waiting, within=59.9)
    assert await granted(waiting, within=0.2)


async def test_three_users_between_whom_one_is_served_hold_nobody() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(4)]
    push_back(paced, permits[:2], "ab", (30.0, 30.0))
    paced.returned(permits[2], "served", Signal.GOOD)
    push_back(paced, permits[3:], "c", (30.0,))
    assert await granted(asked(paced), within=0.1)


async def test_a_refusal_of_somebody_elses_events_does_not_mean_that_the_others_are_served() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(4)]
    push_back(paced, permits[:2], "ab", (30.0, 30.0))
    paced.returned(permits[2], "malformed", Signal.REFUSED)
    push_back(paced, permits[3:], "c", (30.0,))
    assert not await granted(asked(paced), within=29.9)


async def test_a_shorter_retry_after_does_not_shorten_a_longer_one() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(4)]
    push_back(paced, permits, "abcd", (30.0, 30.0, 30.0, 1.0))
    waiting = asked(paced)
    assert not await granted(waiting, within=29.9)
    assert await granted(waiting, within=0.2)


async def test_a_straggler_that_succeeds_does_not_lift_a_retry_after() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(4)]
    push_back(paced, permits[:3], "abc", (30.0, 30.0, 30.0))
    paced.returned(permits[3], "d", Signal.GOOD)
    assert not await granted(asked(paced), within=29.9)


async def test_the_end_of_an_outage_does_not_lift_a_retry_after() -> None:
    paced = pacer()
    permits = [await paced.permit() for _ in range(7)]
    for user in "abc":
        paced.returned(permits.pop(), user, Signal.TROUBLE)
    push_back(paced, permits[:3], "def", (30.0, 30.0, 30.0))
    paced.returned(permits[3], "g", Signal.GOOD)
    assert not await granted(asked(paced), within=29.9)


def trouble_of(paced: Pacer, permits: Iterable[Permit], users: Iterable[str]) -> None:
    """Each POST fails; before it another one was answered well, so this is no outage."""
    for permit, user in zip(permits, users, strict=True):
        paced._good()
        paced.returned(permit, user, Signal.TROUBLE)


async def test_the_failures_of_one_round_slow_down_once() -> None:
    paced = pacer(concurrency=10)
    trouble_of(paced, [await paced.permit() for _ in range(10)], "abcdefghij")
    assert 5 <= paced.limit < 8, "and a little more with each good answer"


async def test_trouble_of_three_users_lowers_the_concurrency_and_not_the_rate() -> None:
    paced = pacer(concurrency=10, rate=1000)
    trouble_of(paced, [await paced.permit() for _ in range(3)], "abc")
    assert (paced.limit, paced.rate) == (5, 1000)


@pytest.mark.parametrize("signal", [Signal.TROUBLE, Signal.PUSHBACK])
async def test_two_users_who_fail_lower_nothing_together_with_a_few_others(signal: Signal) -> None:
    """One failure of a third user is no evidence that the failures of the two say something about the API."""
    paced = pacer(concurrency=8, rate=120)
    for number in range(2_000):
        failing = number % 5 == 0 or number % 200 == 101
        user = "ab"[number % 2] if number % 5 == 0 else f"u{number}"
        paced.returned(await paced.permit(), user, signal if failing else Signal.GOOD)
        assert paced.limit == 8
        assert paced.rate > 0.85 * 120


@pytest.mark.parametrize("signal", [Signal.TROUBLE, Signal.PUSHBACK])
async def test_two_users_lower_nothing_however_often_they_fail(signal: Signal) -> None:
    """Also if hardly anybody else is here to show that the API works."""
    paced = pacer(concurrency=8, rate=120)
    for number in range(2_000):
        paced.returned(await paced.permit(), "ab"[number % 2], signal)
        if number % 10 == 0:
            paced.returned(await paced.permit(), "served", Signal.GOOD)
    assert (paced.limit, paced.rate) == (8, 120)


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
    assert crowd.most_in_a_second() <= 121


@pytest.mark.parametrize(("every", "least", "most"), [(50, 64, 64), (5, 1, 12)])
async def test_little_trouble_leaves_how_many_at_once_alone_and_much_does_not(
    every: int, least: float, most: float
) -> None:
    """A few users whose POSTs time out are their own trouble; every fifth POST is the API's."""
    answers = itertools.count(1)
    crowd = Crowd(pacer(), says=lambda *_: (Signal.GOOD if next(answers) % every else Signal.TROUBLE, None))
    await crowd.run(users=128, seconds=60)
    assert least <= crowd.pacer.limit <= most
