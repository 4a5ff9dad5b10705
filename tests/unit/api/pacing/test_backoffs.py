"""What ends a backoff before its time: the end of a silence, and a person who asks for it. All on a virtual clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from forwarder.api.answer import Declined, Meaning
from forwarder.api.pacing.backoffs import Backoffs
from forwarder.api.pacing.permits import Permit, Signal
from tests.support.virtual.api import ACCEPTED, UNAVAILABLE, Attempt, Reply, Script
from tests.support.virtual.crowd import Crowd, all_good, granted, most_in_a_second, pacer
from tests.support.virtual.pipeline import World, virtually

#: The API decides nothing until then.
DOWN = 900.0


def down(attempt: Attempt) -> Reply:
    return Reply(UNAVAILABLE if attempt.at < DOWN else ACCEPTED)


@dataclass(frozen=True)
class Recovery:
    """When POSTs started, and when events were accepted, in seconds after the API was well again."""

    started: list[float]
    accepted: list[float]

    @property
    def spread(self) -> float:
        """Seconds from the first accepted event to the last one."""
        return max(self.accepted) - min(self.accepted)


def recovered(users: int, script: Script = down) -> Recovery:
    """What happens once the API is well again, to users with one event each."""
    found: list[Recovery] = []

    async def story() -> None:
        world = World(script, rate_limit=0)
        world.push([f"u{user}" for user in range(users)])
        await world.run_until(lambda: world.idle, within=DOWN + 1_000)
        started = [attempt.at - DOWN for attempt in world.api.attempts]
        found.append(Recovery(started, [post.at - DOWN for post in world.api.accepted]))
        assert not world.list.letters

    virtually(story(), seed=7)
    print(f"{users} users: the first after {min(found[0].accepted):.1f} s, the last {found[0].spread:.1f} s later")
    return found[0]


@pytest.mark.parametrize("users", [2, 3, 10, 500])
def test_when_the_api_is_well_again_all_users_are_sent_within_seconds_of_the_first(users: int) -> None:
    recovery = recovered(users)
    first = min(recovery.accepted)
    assert first < 61
    assert recovery.spread < 2
    assert len([start for start in recovery.started if first <= start < first + 0.35]) <= 2 + 4 + 8 + 16, "no stampede"


def test_a_retry_after_of_one_user_outlasts_an_outage() -> None:
    """The API asked for it, whatever happened to the others."""
    asks = Declined(503, Meaning.TRANSIENT, retry_after=600.0)

    def script(attempt: Attempt) -> Reply:
        late = attempt.user == "u0" and attempt.at > DOWN - 300
        return Reply(asks) if late and attempt.at < DOWN else down(attempt)

    assert 240 < recovered(4, script).spread < 600


@pytest.mark.virtual_time
async def test_who_failed_before_the_silence_waits_as_long_as_before() -> None:
    paced = pacer()
    own_trouble = asyncio.create_task(paced.backoffs.sleep(60.0))
    await asyncio.sleep(1.0)
    permits = [await paced.permit() for _ in range(2)]
    paced.returned(permits[0], "a", Signal.TROUBLE)
    in_silence = asyncio.create_task(paced.backoffs.sleep(60.0))
    await asyncio.sleep(5.1)
    paced.returned(permits[1], "b", Signal.GOOD)
    done, _ = await asyncio.wait([own_trouble, in_silence], timeout=1.0)
    assert done == {in_silence}
    own_trouble.cancel()


@pytest.mark.virtual_time
async def test_a_short_silence_ends_no_backoff() -> None:
    """Users who always fail would have none, wherever little else is sent."""
    paced = pacer()
    for _ in range(20):
        permit, good = await paced.permit(), await paced.permit()
        paced.returned(permit, "fails", Signal.TROUBLE)
        asleep = asyncio.create_task(paced.backoffs.sleep(60.0))
        await asyncio.sleep(4.0)
        paced.returned(good, "served", Signal.GOOD)
        assert not (await asyncio.wait([asleep], timeout=0.5))[0]
        asleep.cancel()


@pytest.mark.virtual_time
async def test_a_person_ends_every_backoff_and_the_first_one_of_thousands_is_no_stampede() -> None:
    """5,000 users back off while others are served: the window of the rate holds, and new batches have their half."""
    paced = pacer(concurrency=16, rate=120)
    loop, starts = asyncio.get_running_loop(), list[float]()

    async def retry() -> None:
        await paced.backoffs.sleep(600.0, 600.0)
        permit = await paced.permit(again=True)
        starts.append(loop.time())
        await asyncio.sleep(0.1)
        paced.returned(permit, "u", Signal.GOOD)

    crowd = Crowd(paced, says=all_good)
    retries = [asyncio.create_task(retry()) for _ in range(5_000)]
    await asyncio.sleep(1.0)
    assert paced.try_now() == 5_000
    await crowd.run(users=32, seconds=10)
    assert crowd.most_in_flight <= 16
    assert most_in_a_second(sorted(starts + crowd.starts)) <= 121
    assert 0.2 * 1_200 < len(starts) < 0.6 * 1_200
    for task in retries:
        task.cancel()


@pytest.mark.virtual_time
async def test_thousands_of_backoffs_that_end_together_are_no_long_step_of_the_event_loop() -> None:
    backoffs = Backoffs(asyncio.get_running_loop().time)
    sleeping = [asyncio.create_task(backoffs.sleep(600.0)) for _ in range(1_000)]
    await asyncio.sleep(1.0)
    assert backoffs.end_all() == 1_000
    ended: list[int] = []
    while len(ended) < 12:
        await asyncio.sleep(0)
        ended.append(sum(task.done() for task in sleeping))
    assert ended[-1] == 1_000
    assert max(after - before for before, after in zip([0, *ended], ended, strict=False)) <= 100


def probes(answer: Callable[[int], tuple[Signal, float | None]]) -> list[float]:
    """When POSTs start if a person asks for it every second from the 300th on, for a minute, with 1,000 users."""
    starts: list[float] = []

    async def story() -> None:
        paced = pacer(rate=120)
        crowd = Crowd(paced, says=lambda *_: answer(len(starts)), latency=0.01)
        posting = asyncio.create_task(crowd.run(users=1_000, seconds=359.5))
        await asyncio.sleep(300)
        for _ in range(60):
            paced.try_now()
            await asyncio.sleep(1.0)
        await posting
        starts.extend(start for start in crowd.starts if start >= 300)

    virtually(story(), seed=1)
    return starts


@pytest.mark.parametrize("answer", [(Signal.TROUBLE, None), (Signal.PUSHBACK, 30.0), (Signal.PUSHBACK, None)])
def test_while_the_api_is_down_each_wish_sends_one_probe(answer: tuple[Signal, float | None]) -> None:
    starts = probes(lambda _: answer)
    assert 55 <= len(starts) <= 62


@pytest.mark.virtual_time
async def test_after_a_wish_that_came_too_soon_the_pauses_go_on() -> None:
    crowd = Crowd(pacer(), says=lambda *_: (Signal.TROUBLE, None), latency=0.01)
    posting = asyncio.create_task(crowd.run(users=100, seconds=600))
    await asyncio.sleep(300)
    crowd.pacer.try_now()
    await posting
    after = [start for start in crowd.starts if start >= 300]
    assert [round(later - 300) for later in after[:4]] == [0, 60, 120, 180]


@pytest.mark.virtual_time
async def test_a_wish_ends_a_retry_after_for_everybody_and_one_post_goes_first() -> None:
    paced = pacer(rate=120)
    await Crowd(paced, says=all_good).run(users=64, seconds=2)
    permits: list[Permit] = [await paced.permit() for _ in range(3)]
    for permit, user in zip(permits, "abc", strict=True):
        paced.returned(permit, user, Signal.PUSHBACK, 30.0)
    waiting = [asyncio.create_task(paced.permit()) for _ in range(10)]
    assert not await granted(waiting[0], within=5.0)
    paced.try_now()
    await asyncio.sleep(0.5)
    assert [task.done() for task in waiting] == [True] + 9 * [False]
    paced.returned(waiting[0].result(), "a", Signal.GOOD)
    await asyncio.sleep(0.5)
    assert sum(task.done() for task in waiting) == 3, "two at once"
    for task in waiting:
        task.cancel()


def test_no_wish_exhausts_a_batch() -> None:
    """Attempts count only while most POSTs of others are accepted, however many more there are of them."""

    async def story() -> None:
        world = World(down, rate_limit=0, max_attempts=3, max_retry_age=1)
        world.push([f"u{user}" for user in range(5)])
        owning = asyncio.create_task(world.own())
        while world.clock() < DOWN + 70:
            world.process.courier.pacer.try_now()
            await asyncio.sleep(3.0)
        await world.kill(owning)
        assert len(world.api.attempts) > 250
        assert (len(world.api.accepted), world.list.letters) == (5, [])

    virtually(story(), seed=1)
