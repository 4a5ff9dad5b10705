"""When a settlement begins: the settlers of one process on a virtual clock, with lists in memory."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from forwarder.api.body_limit import BodyLimit
from forwarder.event import Event
from forwarder.outcome import Accepted, LetterReason, Refused
from forwarder.pipeline.brake import Brake
from forwarder.pipeline.buffer.space import Limits
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.pace import Pace
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.claims import Settlement
from tests.support.virtual.api import ACCEPTED
from tests.support.virtual.list_model import ListModel
from tests.support.virtual.pipeline import VirtualClaims, VirtualLease, World

pytestmark = pytest.mark.virtual_time

#: What may be added to a pause: the trip of a virtual command, and how far the virtual clock is ahead.
SLACK = 0.0011


class Recorded(VirtualClaims):
    """Claims that write down each settlement: when it was sent, and the numbers that it ended."""

    def __init__(self, world: World, lease: VirtualLease, trip: float) -> None:
        super().__init__(world, lease)
        self._list = ListModel()
        self.trip = trip
        self.sent: list[tuple[float, list[int]]] = []

    async def settle(self, settlement: Settlement) -> None:
        """As its parent's, after `trip` seconds."""
        numbers = [number for group in settlement.accepted.values() for number in group]
        self.sent.append((now(), numbers + [letter.number for letter in settlement.letters]))
        await asyncio.sleep(self.trip)
        await super().settle(settlement)


class List:
    """One list with claimed events, and its settler."""

    def __init__(self, world: World, pace: Pace, claims: Recorded, events: int) -> None:
        self.claims = claims
        self.decided: list[float] = []
        availability = world.process.availabilities.of("virtual")
        gate = Gate(claims.lease, margin=1.0, clock=world.clock)
        limits = Limits(events=100_000, bytes=10**9, events_per_post=100, body_bytes=500_000, linger=0.25)
        stock = Stock(
            claims,
            availability,
            limits=limits,
            body_limit=BodyLimit(500_000),
            max_event_bytes=65_536,
            clock=world.clock,
        )
        self.settler = Settler(claims, gate, Brake(0), stock, availability, pace, world.process.metrics)
        claims._list.push([b"{}"] * events)
        claims._list.claim(1, events, 10**9, 65_536)
        self._events = iter([Event(number, 1, "u", b"{}") for number in range(1, events + 1)])
        self._stock = stock

    def decide(self, events: int = 1, *, refused: bool = False) -> None:
        """The next events have an outcome."""
        found = [next(self._events) for _ in range(events)]
        self._stock.hold(found)
        self.settler.expect([event.number for event in found], [1] * events)
        outcome = Refused(LetterReason.REJECTED, "400", "", 1) if refused else Accepted()
        self.settler.add(found, outcome)
        self.decided += [now()] * events

    @property
    def waits(self) -> list[float]:
        """For each settled event, the seconds between its outcome and its settlement; checks the order too."""
        numbers = [number for _, group in self.claims.sent for number in group]
        assert numbers == sorted(numbers)
        return [at - self.decided[number - 1] for at, group in self.claims.sent for number in group]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def lists(count: int = 1, *, trip: float = 0.0, events: int = 3_000) -> AsyncIterator[list[List]]:
    """Lists of one process. They are settled while entered, and at the end each outcome is."""
    world = World(lambda _: ACCEPTED)
    pace, lease = Pace(now), VirtualLease(world, 1e6)
    await lease.acquire()
    found = [List(world, pace, Recorded(world, lease, trip), events) for _ in range(count)]
    running = [asyncio.create_task(each.settler.run()) for each in found]
    await asyncio.sleep(1.0)
    yield found
    for each in found:
        each.settler.close()
    await asyncio.gather(*running)
    assert [len(each.waits) for each in found] == [len(each.decided) for each in found]


async def busy(given: list[List], posts: float, seconds: float, dice: random.Random) -> None:
    """This many POSTs a second, each of a random list, at random moments."""
    end = now() + seconds
    while now() < end:
        await asyncio.sleep(dice.expovariate(posts))
        dice.choice(given).decide()


async def test_an_outcome_is_settled_at_once_if_nothing_was_settled_before_it() -> None:
    async with lists() as (one,):
        one.decide(100)
        await asyncio.sleep(0.1)
        one.decide()
        await asyncio.sleep(0.1)
        assert one.waits == pytest.approx([0.0] * 101)
        assert len(one.claims.sent) == 2


async def test_outcomes_that_come_soon_after_a_settlement_share_the_next_one_5_ms_after_it() -> None:
    async with lists() as (one,):
        for _ in range(4):
            one.decide()
            await asyncio.sleep(0.0015)
        await asyncio.sleep(0.1)
        began = [at for at, _ in one.claims.sent]
        assert [group for _, group in one.claims.sent] == [[1], [2, 3, 4]]
        assert began[1] - began[0] == pytest.approx(0.005, abs=1e-4)


@pytest.mark.parametrize("count", [1, 8, 64])
async def test_at_120_posts_a_second_nearly_every_outcome_is_settled_within_15_ms(count: int) -> None:
    dice = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    async with lists(count) as given:
        await busy(given, 120, 5.0, dice)
    waits = sorted(wait for each in given for wait in each.waits)
    assert waits[len(waits) // 2] < 0.005
    assert waits[int(len(waits) * 0.95)] < 0.015
    assert count > 1 or waits[-1] < 0.005 + SLACK


@pytest.mark.parametrize("trip", [0.0, 0.02])
async def test_one_list_settles_at_most_200_times_a_second_however_many_posts_are_answered(trip: float) -> None:
    """With a Redis 20 ms away, once in 21 ms: one settlement is under way at a time, and the next follows at once."""
    async with lists(trip=trip) as (one,):
        await busy([one], 4_000, 0.5, random.Random(1))
        await asyncio.sleep(0.1)
    began = [at for at, _ in one.claims.sent]
    gaps = [after - before for before, after in pairwise(began)]
    least = max(0.005, trip and trip + 0.001)
    assert min(gaps) > least - 1e-4
    assert max(one.waits) < least + SLACK


async def test_64_busy_lists_settle_as_if_each_outcome_waited_50_ms_for_others() -> None:
    """4,000 POSTs a second, of 64 lists: 62 of each. One in 50 ms + 16 ms, on average, begins a settlement."""
    async with lists(64, events=300) as given:
        await busy(given, 4_000, 1.5, random.Random(1))
    began = sum(len(each.claims.sent) for each in given) / 1.5
    assert began < 64 / (0.05 + 64 / 4_000) * 1.1
    assert max(wait for each in given for wait in each.waits) < 0.05 + SLACK


async def test_an_interruption_does_not_end_settling_in_groups() -> None:
    """All of 64 busy lists are in step after it. They still wait, or 64 settlements would begin at once each time."""
    async with lists(64, events=300) as given:
        for _ in range(4):
            await busy(given, 4_000, 0.2, random.Random(1))
            await asyncio.sleep(0.2)
        last = [at for each in given for at, _ in each.claims.sent if at > now() - 0.4]
    assert len(last) < 64 / (0.05 + 64 / 4_000) * 0.2 * 1.3


async def test_after_a_busy_time_outcomes_are_settled_at_once_again() -> None:
    async with lists(64, events=300) as given:
        await busy(given, 4_000, 0.5, random.Random(1))
        await asyncio.sleep(1.1)
        given[0].decide()
        await asyncio.sleep(0.1)
        assert given[0].waits[-1] == pytest.approx(0.0)


async def test_closing_settles_everything_without_a_pause() -> None:
    async with lists() as (one,):
        one.decide()
        await asyncio.sleep(0.0015)
        one.decide(2_500, refused=True)
        at = now()
    assert len(one.decided) == 2_501
    assert [len(group) for _, group in one.claims.sent] == [1, 1_000, 1_000, 500]
    assert now() - at < 3 * 0.0011 + SLACK
