"""A process's part of the fleet's rate."""

import asyncio
import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.api.pacing.grant import Demand, Grant
from forwarder.api.pacing.permits import Pacer
from forwarder.api.pacing.window import Window
from tests.support.virtual.crowd import Crowd, asked, granted, most_in_a_second, pacer

LIMIT = 40.0


def demand(grant: Grant, now: float, *, waiting: bool = False) -> Demand:
    return grant.demand(now, rate=grant.value(now) or 1.0, waiting=waiting)


def test_a_lowered_grant_counts_for_a_second() -> None:
    grant = Grant(LIMIT, 0.0)
    assert demand(grant, 0.0).held == 0, "nothing was granted"
    grant.receive(30.0, 100.0, 1.0)
    grant.receive(5.0, 100.0, 2.0)
    assert demand(grant, 2.9).held == 30
    assert demand(grant, 3.0).held == 5


def test_an_expired_grant_is_none_and_counts_for_a_second_too() -> None:
    grant = Grant(LIMIT, 0.0)
    grant.receive(30.0, 10.0, 1.0)
    assert grant.value(9.9) == 30
    assert grant.value(10.0) == 0
    assert demand(grant, 10.9).held == 30
    assert demand(grant, 11.0).held == 0
    grant.receive(7.0, 30.0, 20.0)
    assert demand(grant, 20.0) == Demand(LIMIT, 7.0, 0.0, 0), "not the one that expired long ago"


def test_without_a_limit_nothing_is_asked_for() -> None:
    grant = Grant(0.0, 0.0)
    grant.receive(0.0, 1.0, 0.0)
    assert grant.value(2.0) == inf
    assert demand(grant, 2.0) == Demand(0.0, 0.0, 0.0, 0)


def test_a_worker_is_eager_if_its_posts_wait_for_the_rate() -> None:
    grant = Grant(LIMIT, 0.0)
    grant.receive(10.0, inf, 0.0)
    for second in range(1, 4):
        for _ in range(10):
            grant.started(waited=True)
        assert demand(grant, float(second)) == Demand(LIMIT, 10.0, 10.0, second), "it uses all that is granted"
    assert demand(grant, 3.1).eager == 3, "so little time says nothing"
    for n in range(10):
        grant.started(waited=n < 9)
    assert demand(grant, 4.0).eager == 0
    assert demand(grant, 5.0, waiting=True).eager == 1, "nothing could start"


def test_the_use_is_a_mean_and_does_not_depend_on_what_the_api_refuses() -> None:
    grant = Grant(LIMIT, 0.0)
    grant.receive(20.0, inf, 0.0)
    for second in range(1, 30):
        for _ in range(5):
            grant.started(waited=False)
        found = grant.demand(float(second), rate=10.0, waiting=False)
    assert found.use == pytest.approx(10.0, rel=0.01), "half of what the API takes from this process"


@pytest.mark.parametrize(("before", "after", "found"), [(39, 0, 0.0), (39, 20, 20.0), (39, 30, 37.2), (5, 0, 4.0)])
def test_a_use_that_falls_more_than_by_chance_counts_at_once(before: int, after: int, found: float) -> None:
    grant = Grant(LIMIT, 0.0)
    grant.receive(LIMIT, inf, 0.0)
    for second in range(1, 61):
        for _ in range(before if second < 60 else after):
            grant.started(waited=False)
        use = demand(grant, float(second)).use
    assert use == pytest.approx(found, abs=0.01)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_no_second_sees_more_posts_of_a_fleet_than_the_limit_plus_one_for_each_worker(seed: int, workers: int) -> None:
    """Workers start as many POSTs as they may, some of them late. Grants change within what the other rows leave."""
    dice, rare = random.Random(seed), seed % 3 / 100
    grants, windows = [Grant(LIMIT, 0.0) for _ in range(workers)], [Window() for _ in range(workers)]
    rows, beats, busy, starts = [0.0] * workers, [0.0] * workers, [0.0] * workers, list[float]()
    for tick in range(400):
        now = tick / 100
        for n, (grant, window) in enumerate(zip(grants, windows, strict=True)):
            if now >= beats[n]:
                beats[n] = now + dice.choice([0.1, 1.0])
                held, free = demand(grant, now).held, LIMIT - sum(rows) + rows[n]
                new = dice.choice([0.0, free, dice.uniform(0, free)])
                rows[n] = max(held, new)
                grant.receive(new, now + dice.choice([0.5, 10.0]), now)
            busy[n] = now + 0.24 if dice.random() < rare else busy[n]
            while now >= busy[n] and (rate := grant.value(now)) and window.opens(rate) <= now:
                window.started(now, rate)
                starts.append(now)
    assert most_in_a_second(starts) <= LIMIT + workers


def test_a_burst_just_before_a_grant_moves_to_another_worker_counts_too() -> None:
    """One makes up for a delay of 0.24 s and is lowered at once. The other one takes whatever its row leaves."""
    first, second, windows = Grant(LIMIT, 0.0), Grant(LIMIT, 0.0), (Window(), Window())
    first.receive(LIMIT, inf, 0.0)
    second.receive(0.0, inf, 0.0)
    starts = list[float]()
    for now in (tick / 1000 for tick in range(4_000)):
        if now == 2.0:
            first.receive(0.0, inf, now)
        elif now > 2.0:
            second.receive(LIMIT - demand(first, now).held, inf, now)
        for grant, window in zip((first, second), windows, strict=True):
            late = grant is first and 1.75 < now < 1.99
            while not late and (rate := grant.value(now)) and window.opens(rate) <= now:
                window.started(now, rate)
                starts.append(now)
    assert most_in_a_second(starts) <= LIMIT + 2
    assert len([start for start in starts if start > 3.0]) == pytest.approx(LIMIT, abs=1)


@pytest.mark.virtual_time
async def test_posts_wait_until_something_is_granted_and_stop_when_it_expires() -> None:
    loop, paced = asyncio.get_running_loop(), pacer(rate=40)
    paced.granted(0.0, until=inf)
    waiting = asked(paced)
    assert not await granted(waiting, within=5)
    assert paced.demand() == Demand(40.0, 0.0, 0.0, 1)
    paced.granted(10.0, until=loop.time() + 2)
    assert await granted(waiting, within=0.01)
    paced.unused(waiting.result())
    crowd = Crowd(paced)
    await crowd.run(users=8, seconds=30)
    assert len(crowd.starts) == pytest.approx(20, abs=1)
    assert crowd.starts[-1] < 5 + 2 + 0.01


@pytest.mark.virtual_time
async def test_a_higher_grant_counts_at_once() -> None:
    paced = pacer(rate=40)
    paced.granted(0.02, until=inf)
    crowd = Crowd(paced)
    await crowd.run(users=8, seconds=1)
    assert len(crowd.starts) == 1, "a small one lets one POST start at once"
    paced.granted(40.0, until=inf)
    await crowd.run(users=8, seconds=5)
    assert len(crowd.starts) >= 0.99 * 40 * 5


@pytest.mark.long
@pytest.mark.virtual_time
@pytest.mark.parametrize("tick", [0.002, 0.015, 0.04])
async def test_a_worker_whose_loop_wakes_late_is_eager_too(tick: float) -> None:
    """Several POSTs then start one after the other. Each would have waited if the loop had been on time."""
    paced = _late(tick)
    for _ in range(360):
        paced.unused(await paced.permit())
    assert paced.demand().eager == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("tick", [0.002, 0.015, 0.04])
async def test_a_worker_with_less_to_send_is_not_eager_because_its_loop_wakes_late(tick: float) -> None:
    paced, dice = _late(tick), random.Random(1)
    for _ in range(240):
        await asyncio.sleep(dice.expovariate(0.9 * 120))
        paced.unused(await paced.permit())
    assert paced.demand().eager == 0


def _late(tick: float) -> Pacer:
    """Of 120 POSTs/s; its loop wakes only every `tick` seconds."""
    loop = asyncio.get_running_loop()
    paced = pacer(rate=120, clock=lambda: loop.time() // tick * tick)
    paced.granted(120.0, until=inf)
    return paced
