"""Troubles that last for hours, in seconds: the service on a virtual clock, before a scripted API."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable
from functools import partial

import pytest

from forwarder.api.answer import Answer, Declined, Meaning, Unanswered
from forwarder.outcome import HaltReason
from forwarder.pipeline.gate import Halted
from tests.support.faults import fault
from tests.support.promises import check
from tests.support.virtual.api import ACCEPTED, MALFORMED, REFUSED, SWALLOWED, UNAVAILABLE, Attempt, Reply, Script
from tests.support.virtual.pipeline import World, virtually

SEED = random.SystemRandom().randrange(2**32)
#: How much smaller than the story the crowd is; TEST_HOURS_SCALE=1 is the whole of it.
SCALE = int(os.environ.get("TEST_HOURS_SCALE", "10"))
HOUR = 3600.0
#: POSTs/s that are configured: the default.
RATE = 120


def crowd(users: int, events: int) -> list[str]:
    return [f"u{random.randrange(users)}" for _ in range(events)]


def posts_between(world: World, since: float, until: float) -> int:
    return sum(since <= attempt.at < until for attempt in world.api.attempts)


def most_in_any(seconds: float, moments: Iterable[float]) -> int:
    """The most of them in any window of so many seconds."""
    window: list[float] = []
    most = 0
    for moment in moments:
        window = [other for other in window if moment - other < seconds] + [moment]
        most = max(most, len(window))
    return most


def outage(until: float, answers: Iterable[Answer | Reply]) -> Script:
    kinds = list(answers)

    def script(attempt: Attempt) -> Answer | Reply:
        return random.choice(kinds) if attempt.at < until else ACCEPTED

    return script


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([UNAVAILABLE], id="503", marks=pytest.mark.long),
        pytest.param([REFUSED], id="refused", marks=pytest.mark.long),
        pytest.param([Reply(Unanswered("timeout", ambiguous=True), 10.0)], id="timeouts", marks=pytest.mark.long),
        pytest.param([Declined(429, Meaning.TRANSIENT)], id="429", marks=pytest.mark.long),
        pytest.param([UNAVAILABLE, REFUSED, SWALLOWED, Declined(429, Meaning.TRANSIENT)], id="all of it"),
    ],
)
@fault(
    "API",
    "an outage of an hour: 503, 429, refused connections, timeouts",
    "no dead letters; one probe a minute; full speed within seconds afterwards",
    keeps=(1, 2, 6),
)
def test_an_hour_of_outage(answers: list[Answer | Reply]) -> None:
    async def story() -> None:
        world = World(outage(HOUR, answers))
        world.push(crowd(users=5_000, events=20_000))
        await world.run_until(lambda: world.idle, within=2 * HOUR)
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults
        assert world.list.letters == []
        probes = [attempt.at for attempt in world.api.attempts if 600 < attempt.at < HOUR]
        assert len(probes) >= 40, "it does not stop probing"
        assert most_in_any(world.settings.retry_max * 0.999, probes) == 1
        first = next(attempt.at for attempt in world.api.attempts if attempt.at >= HOUR)
        assert first < HOUR + world.settings.retry_max + 10
        speed = posts_between(world, first + 10, first + 20) / 10
        print(f"back at {speed:.0f} POSTs/s ten seconds after the first answer")
        assert speed >= 0.95 * RATE

    virtually(story(), seed=SEED)


@fault(
    "API",
    "a brownout: 90 % of POSTs answered 503, for an hour",
    "no dead letters; gentle probes; everything arrives, in order",
    keeps=(1, 2, 6),
)
def test_an_hour_of_brownout() -> None:
    def script(attempt: Attempt) -> Answer:
        return UNAVAILABLE if attempt.at < HOUR and random.random() < 0.9 else ACCEPTED

    async def story() -> None:
        world = World(script)
        producing = asyncio.create_task(_push_steadily(world, seconds=HOUR, every=10.0))
        await world.run_until(lambda: producing.done() and world.idle, within=3 * HOUR)
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults
        assert world.list.letters == []
        assert verdict.explained == [], "a 503 is no acceptance"
        through = sum(post.at < HOUR for post in world.api.accepted)
        print(f"{through} POSTs got through in the brownout, of {posts_between(world, 0, HOUR)}")
        assert through

    virtually(story(), seed=SEED)


async def _push_steadily(world: World, *, seconds: float, every: float) -> None:
    while world.clock() < seconds:
        world.push(crowd(users=200, events=20))
        await asyncio.sleep(every)


@pytest.mark.long
@pytest.mark.timeout(300)
@fault(
    "API",
    "it fails for one user among many for two hours, with ten buffers' worth of events",
    "the other users are served at full speed; this user's events are spilled; the order holds afterwards",
    keeps=(1, 2, 3, 7),
)
def test_one_failing_user_in_a_crowd() -> None:
    users, mine = 100_000 // SCALE, 1_000_000 // SCALE
    recovers = 2 * HOUR

    def script(attempt: Attempt) -> Answer:
        return UNAVAILABLE if attempt.user == "failing" and attempt.at < recovers else ACCEPTED

    async def story() -> None:
        world = World(script, max_buffered_events=100_000 // SCALE, max_retry_age=3 * HOUR)
        for user in range(users):
            world.push(["failing"] * (mine // users) + [f"u{user}"])
        most = _Most(world)
        watching = asyncio.create_task(most.watch())
        others = await world.run_until(lambda: len(world.list.accepted) >= users, within=recovers)
        assert others <= 1.05 * users / RATE + 10, "at full speed"
        assert not any(post.user == "failing" for post in world.api.accepted)
        await world.run_until(lambda: world.idle, within=2 * recovers)
        watching.cancel()
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults
        print(f"others done after {others:.0f} s, at most {most.events} events in memory and {most.spilled} names")
        assert most.events <= world.settings.max_buffered_events
        assert most.spilled > 0.9 * mine

    virtually(story(), seed=SEED)


@pytest.mark.long
@pytest.mark.timeout(300)
@fault(
    "API",
    "it fails for every sixth user for an hour, with eight buffers' worth of events",
    "the other users are served meanwhile; batches that are retried leave memory; the order holds afterwards",
    keeps=(1, 2, 3, 7),
)
def test_many_failing_users_do_not_stop_the_others() -> None:
    buffer, users, per_post = 500, 2_000, 20
    failing, each = users // 5, 10

    def script(attempt: Attempt) -> Answer:
        return UNAVAILABLE if attempt.user.startswith("failing") and attempt.at < HOUR else ACCEPTED

    async def story() -> None:
        world = World(script, max_buffered_events=buffer, max_events_per_post=per_post, max_retry_age=3 * HOUR)
        pushed = [f"failing-{number}" for number in range(failing)] * each + crowd(users, 5 * each * failing)
        random.shuffle(pushed)
        world.push(pushed)
        most = _Most(world)
        watching = asyncio.create_task(most.watch())
        served = await world.run_until(lambda: len(world.list.accepted) >= 5 * each * failing, within=HOUR)
        print(f"the others were served after {served:.0f} s, {posts_between(world, 0, served) / served:.0f} POSTs/s")
        assert served < HOUR / 2
        assert not any(post.user.startswith("failing") for post in world.api.accepted)
        await world.run_until(lambda: world.idle, within=2 * HOUR)
        watching.cancel()
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults
        assert world.list.letters == []
        assert most.events <= buffer * 9 / 8 + per_post, "batches that are sent again have a reserve"

    virtually(story(), seed=SEED)


@pytest.mark.long
@fault(
    "API",
    "it times out for one user in 140, after ten seconds each time",
    "the other users are served at nearly full speed",
    keeps=(1, 2, 3),
)
def test_few_users_that_time_out_do_not_slow_the_others() -> None:
    def script(attempt: Attempt) -> Answer | Reply:
        slow = attempt.user.startswith("failing") and attempt.at < HOUR / 4
        return Reply(Unanswered("timeout", ambiguous=False), 10.0) if slow else ACCEPTED

    async def story() -> None:
        world = World(script, max_retry_age=3 * HOUR)
        pushed = [f"failing-{number}" for number in range(100)] + [f"u{number}" for number in range(14_000)]
        random.shuffle(pushed)
        world.push(pushed)
        await world.run_until(lambda: len(world.list.accepted) >= 14_000, within=HOUR / 4)
        speed = len(world.list.accepted) / world.clock()
        print(f"{speed:.0f} POSTs/s of others")
        assert speed >= 0.7 * RATE
        await world.run_until(lambda: world.idle, within=HOUR)
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults

    virtually(story(), seed=SEED)


class _Most:
    """The most that a buffer ever held, as seen every second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.events = self.spilled = 0

    async def watch(self) -> None:
        while True:
            if self._world.ownership is not None:
                self.events = max(self.events, self._world.ownership._stock._buffer.space.events)
                self.spilled = max(self.spilled, self._world.ownership._stock._buffer.space.spilled)
            await asyncio.sleep(1.0)


@pytest.mark.long
@fault(
    "producer",
    "a bad deploy: from one moment on, every event is refused, 10,000 of them",
    "a halt within 100 refusals, no further dead letters; everything is sent once it is allowed",
    keeps=(1, 2, 4, 5),
)
def test_a_bad_deploy() -> None:
    async def story() -> None:
        deployed = 5_000
        world = World(lambda attempt: MALFORMED if max(attempt.numbers) >= deployed else ACCEPTED)
        world.push(crowd(users=500, events=deployed))
        await world.run_until(lambda: world.idle, within=HOUR)
        world.push(crowd(users=500, events=10_000))
        ending = await world.own()
        assert isinstance(ending, Halted)
        assert ending.halt
        assert ending.halt.reason is HaltReason.DEAD_LETTER_BRAKE
        print(f"halted after {len(world.list.letters)} dead letters")
        assert 0 < len(world.list.letters) <= world.settings.dead_letter_brake
        world.resume(allow_refusals=10_000)
        await world.run_until(lambda: world.idle, within=HOUR)
        verdict = check(world.history(bad=dict.fromkeys(range(deployed, deployed + 10_000), "rejected")))
        assert not verdict.faults, verdict.faults
        assert Counter(reason for _, reason in world.list.letters) == {"rejected": 10_000}

    virtually(story(), seed=SEED)


@fault(
    "producer",
    "six of ten elements are invalid and six of ten events are refused, too few for a halt",
    "what waits for the fleet's verdict takes up room like any other event; everything is decided",
    keeps=(1, 5, 7),
)
def test_refusals_that_wait_take_up_room() -> None:
    async def story() -> None:
        world = World(
            lambda attempt: MALFORMED if attempt.numbers[0] % 10 < 6 else ACCEPTED,
            max_events_per_post=1,
            max_buffered_events=400,
        )
        most = 0

        def idle() -> bool:
            nonlocal most
            most = max(most, len(world.list.claimed))
            return world.idle

        for _ in range(60):
            world.push(crowd(users=500, events=40))
            world.list.push([b"{}"] * 60)
        await world.run_until(idle, within=HOUR)
        print(f"at most {most} claimed, everything decided after {world.clock():.0f} s")
        assert most <= 500, "some are decided, and not settled yet"
        refused = sum(number % 10 < 6 for numbers in world.users.values() for number in numbers)
        assert Counter(reason for _, reason in world.list.letters) == {"invalid": 3_600, "rejected": refused}

    virtually(story(), seed=SEED)


def test_an_ownership_that_ends_while_a_post_is_sent_again_takes_no_place_from_the_next() -> None:
    async def story() -> None:
        world = World(outage(100, [Reply(UNAVAILABLE, 5.0)]), concurrency=2, retry_initial=0.01, retry_max=0.01)
        world.push(["a", "b", "c"])

        def one_is_sent_again(before: int) -> bool:
            """And has been for less than four of its five seconds."""
            users = [attempt.user for attempt in world.api.attempts[before:]]
            return len(users) > len(set(users)) and world.clock() - world.api.attempts[-1].at < 4

        for _ in range(3):
            await world.run_until(partial(one_is_sent_again, len(world.api.attempts)), within=60)
        await world.run_until(lambda: world.idle, within=300)

    virtually(story(), seed=SEED)
