import asyncio

import pytest

from forwarder.api.pacing.permits import Signal
from tests.support.virtual.crowd import Crowd, asked, granted, in_line, pacer

pytestmark = pytest.mark.virtual_time


async def test_never_more_are_in_flight_than_the_concurrency() -> None:
    crowd = Crowd(pacer(concurrency=5))
    await crowd.run(users=50, seconds=10)
    assert crowd.most_in_flight == 5
    assert len(crowd.good) > 5 * 95


RATES = pytest.mark.parametrize(("rate", "seconds"), [(1, 100), (7, 30), (120, 5), (1000, 2)])


@RATES
async def test_no_second_sees_more_starts_than_the_rate_plus_one_and_the_rate_is_reached(
    rate: int, seconds: float
) -> None:
    crowd = Crowd(pacer(concurrency=128, rate=rate), latency=0.05)
    await crowd.run(users=128, seconds=seconds)
    assert crowd.most_in_a_second() <= rate + 1
    assert len(crowd.starts) >= 0.99 * rate * seconds


@pytest.mark.parametrize("rate", [1, 7, 120])
async def test_idle_time_is_not_saved_up_for_a_rush(rate: int) -> None:
    paced = pacer(concurrency=128, rate=rate)
    crowd = Crowd(paced, latency=0.05)
    for idle in (0.01, 1.0, 100.0):
        await crowd.run(users=128, seconds=2.5)
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=idle)
    await crowd.run(users=128, seconds=2.5)
    assert crowd.most_in_a_second() <= rate + 1


@pytest.mark.parametrize("tick", [0.002, 0.015])
async def test_a_loop_that_wakes_late_reaches_the_rate_and_does_not_exceed_it(tick: float) -> None:
    loop = asyncio.get_running_loop()
    crowd = Crowd(pacer(rate=120, clock=lambda: loop.time() // tick * tick), latency=0.05)
    await crowd.run(users=32, seconds=3)
    assert crowd.most_in_a_second() <= 121
    assert len(crowd.starts) >= 0.99 * 120 * 3


async def test_without_a_rate_only_the_concurrency_holds_back() -> None:
    crowd = Crowd(pacer(concurrency=10), latency=0.01)
    await crowd.run(users=20, seconds=1)
    assert len(crowd.starts) >= 0.95 * 10 / 0.01


async def test_slow_answers_are_no_reason_to_slow_down() -> None:
    paced = pacer(concurrency=8, rate=120)
    await Crowd(paced, latency=9.0).run(users=20, seconds=60)
    assert (paced.limit, paced.rate) == (8, 120)


async def test_permits_are_granted_in_the_order_they_are_asked_for() -> None:
    paced = pacer(concurrency=1)
    order: list[int] = []

    async def ask(number: int) -> None:
        permit = await paced.permit()
        order.append(number)
        paced.returned(permit, "u", Signal.GOOD)

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert order == list(range(20))


async def test_those_tried_again_and_new_ones_take_turns() -> None:
    paced = pacer(concurrency=1)
    held = await paced.permit()
    order: list[str] = []

    async def ask(*, again: bool) -> None:
        permit = await paced.permit(again=again)
        order.append("again" if again else "new")
        paced.returned(permit, "u", Signal.GOOD)

    asking = [asyncio.create_task(ask(again=number < 20)) for number in range(23)]
    await asyncio.sleep(0)
    paced.returned(held, "u", Signal.GOOD)
    await asyncio.gather(*asking)
    assert order[:6].count("new") == 3, "three new ones behind twenty others"
    assert order[6:] == ["again"] * 17


async def test_a_part_of_a_halved_batch_goes_after_nine_new_ones_or_if_there_are_none() -> None:
    paced = pacer(concurrency=1)
    held = await paced.permit()
    order: list[str] = []

    async def ask(kind: str) -> None:
        permit = await paced.permit(part=kind == "part", again=kind == "again")
        order.append(kind)
        paced.returned(permit, "u", Signal.GOOD)

    asking = [asyncio.create_task(ask(kind)) for kind in ["part"] * 3 + ["new"] * 12]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    paced.returned(held, "u", Signal.GOOD)
    await asyncio.wait(asking)
    assert order == ["new"] * 9 + ["part"] * 2 + ["new"] * 3
    held, order[:] = await paced.permit(), []
    asking = [asyncio.create_task(ask(kind)) for kind in ["part"] * 3 + ["again"] * 3]
    await asyncio.sleep(0)
    paced.returned(held, "u", Signal.GOOD)
    await asyncio.wait(asking)
    assert order == ["again", "part"] * 3, "they take turns where nobody is new"


async def test_those_tried_again_leave_most_places_to_new_ones() -> None:
    """A POST that times out takes a hundred times as long as one that is accepted."""
    paced = pacer(concurrency=8)
    new = [asyncio.create_task(paced.permit()) for _ in range(20)]
    again = [asyncio.create_task(paced.permit(again=True)) for _ in range(20)]
    await asyncio.sleep(0)
    for _ in range(12):
        done = next(task for task in new if task.done() and task.result().held)
        paced.returned(done.result(), "u", Signal.GOOD)
        await asyncio.sleep(0)
    assert sum(task.done() for task in again) == 2
    for task in (*again, *new):
        task.cancel()


async def test_a_cancelled_waiter_leaves_its_place_to_the_next() -> None:
    paced = pacer(concurrency=1)
    held = await paced.permit()
    gone, next_one = await in_line(paced), await in_line(paced)
    gone.cancel()
    paced.returned(held, "u", Signal.GOOD)
    assert await granted(next_one)
    assert gone.cancelled()


async def test_a_waiter_cancelled_just_as_it_is_granted_gives_the_permit_back() -> None:
    paced = pacer(concurrency=1)
    held = await paced.permit()
    gone, next_one = await in_line(paced), await in_line(paced)
    paced.returned(held, "u", Signal.GOOD)
    gone.cancel()
    assert await granted(next_one)
    assert gone.cancelled()


async def test_cancelling_a_waiter_grants_nothing() -> None:
    paced = pacer(concurrency=1)
    await paced.permit()
    waiters = [await in_line(paced) for _ in range(5)]
    waiters[0].cancel()
    waiters[3].cancel()
    assert not await granted(waiters[1])
    assert not await granted(asked(paced))


async def test_the_whole_concurrency_is_there_after_all_who_waited_were_cancelled() -> None:
    paced = pacer(concurrency=3)
    held = [await paced.permit() for _ in range(3)]
    waiters = [await in_line(paced) for _ in range(10)]
    for number, waiter in enumerate(waiters):
        if number == 5:
            for permit in held:
                paced.unused(permit)
        waiter.cancel()
    await asyncio.wait(waiters)
    assert all([await granted(asked(paced)) for _ in range(3)])
    assert not await granted(asked(paced))


@pytest.mark.parametrize("first_as_unused", [True, False])
async def test_a_permit_given_back_twice_counts_once(first_as_unused: bool) -> None:  # noqa: FBT001 - a parameter
    paced = pacer(concurrency=1)
    permit = await paced.permit()
    if first_as_unused:
        paced.unused(permit)
    paced.returned(permit, "u", Signal.GOOD)
    paced.unused(permit)
    assert await granted(asked(paced))
    assert not await granted(asked(paced))
