import asyncio

import pytest

from forwarder.api.shared_timeout import SharedTimeout

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_what_is_done_in_time_gives_its_result_and_leaves_nothing_behind() -> None:
    deadline = SharedTimeout(10.0)
    assert await deadline.within(asyncio.sleep(9.0, "result")) == "result"
    assert not deadline._ends


async def test_each_one_gets_all_of_its_time() -> None:
    deadline = SharedTimeout(10.0)

    async def late(start: float) -> float:
        await asyncio.sleep(start)
        with pytest.raises(TimeoutError):
            await deadline.within(asyncio.sleep(1000.0))
        return now()

    ended = await asyncio.gather(late(0.0), late(3.0), deadline.within(asyncio.sleep(5.0, 5.0)), late(4.0), late(100.0))
    assert ended == pytest.approx([10.0, 13.0, 5.0, 14.0, 110.0], abs=1e-3)
    assert not deadline._ends


async def test_who_is_cancelled_by_another_is_cancelled_and_not_late() -> None:
    deadline = SharedTimeout(10.0)
    task = asyncio.create_task(deadline.within(asyncio.sleep(1000.0)))
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert now() == pytest.approx(1.0, abs=1e-3)


async def test_who_is_cancelled_at_the_moment_it_is_late_is_cancelled() -> None:
    deadline = SharedTimeout(10.0)
    task = asyncio.create_task(deadline.within(asyncio.sleep(1000.0)))
    asyncio.get_running_loop().call_later(10.0, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("then", ["returns", "fails"])
async def test_work_that_swallows_the_cancellation_leaves_none_behind(then: str) -> None:
    """Otherwise the next CancelledError of a library would be taken for a cancellation of this task."""

    async def stubborn() -> str:
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            if then == "fails":
                raise EOFError from None
        return "result"

    deadline = SharedTimeout(10.0)
    if then == "fails":
        with pytest.raises(EOFError):
            await deadline.within(stubborn())
    else:
        assert await deadline.within(stubborn()) == "result"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not deadline._ends


async def test_a_task_that_was_late_can_go_on_and_be_late_again() -> None:
    deadline = SharedTimeout(10.0)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await deadline.within(asyncio.sleep(1000.0))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert now() == pytest.approx(20.0, abs=1e-3)
