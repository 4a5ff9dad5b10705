"""A fleet's rate under many loads: the real script, grants and windows, at times that the test chooses."""

import random

import pytest
from redis.asyncio import Redis

from forwarder.api.pacing.grant import Grant
from forwarder.api.pacing.window import Window
from forwarder.queue.fleet import Fleet
from tests.support.rows import GRANT, rows
from tests.support.virtual.crowd import most_in_a_second

LIMIT = 40.0
#: In seconds: how exactly the time is looked at, and when the fleet should have found its shares.
TICK, SETTLED = 0.01, 30.0


class Sender:
    """A worker with POSTs to start: `load` of them come in a second, or None for a backlog that never ends."""

    def __init__(self, fleet: Fleet, load: float | None, dice: random.Random, *, even: bool) -> None:
        self._fleet = fleet
        self.load = load
        self._dice = dice
        self._even = even
        self._grant, self._window = Grant(LIMIT, 0.0), Window()
        self._grant.receive(0.0, 0.0, 0.0)
        self._waiting = 0.0
        self._beat = dice.uniform(0, 1)
        self._waited = False
        self.starts: list[float] = []

    async def step(self, now: float) -> None:
        if now >= self._beat:
            self._beat = now + 1.0
            place = await self._fleet.attend(
                *self._grant.demand(now, rate=self._grant.value(now), waiting=self._waited)
            )
            self._grant.receive(place.grant, now + place.lasts, now)
        if self.load is None:
            self._waiting = 1.0
        elif self._even:
            self._waiting += self.load * TICK
        else:
            self._waiting += self._dice.random() < self.load * TICK
        while self._waiting >= 1:
            rate = self._grant.value(now)
            if not rate or self._window.opens(rate) > now:
                self._waited = True
                return
            self._window.started(now, rate)
            self._grant.started(waited=self._waited)
            self.starts.append(now)
            self._waited = False
            self._waiting -= self.load is not None
        self._waited = False


#: Loads in POSTs per second; None is a backlog. Which part of the limit must be used, if they come evenly or at random.
LOADS: dict[str, tuple[list[float | None], float, float]] = {
    "one backlog, three idle": ([None, 0.0, 0.0, 0.0], 0.95, 0.95),
    "two backlogs": ([None, None, 0.0, 0.0], 0.95, 0.95),
    "four backlogs": ([None, None, None, None], 0.95, 0.95),
    "a backlog and three loads": ([None, 8.0, 3.0, 1.0], 0.95, 0.85),
    "four loads": ([20.0, 12.0, 8.0, 4.0], 0.95, 0.85),
    "a backlog and seven small loads": ([None, *[1.0] * 7], 0.95, 0.8),
}


@pytest.mark.parametrize("even", [True, pytest.param(False, marks=pytest.mark.long)], ids=["even", "at random"])
@pytest.mark.parametrize("load", list(LOADS))
async def test_a_fleet_uses_its_rate_and_no_second_sees_more(
    redis_client: Redis,
    queue_name: str,
    load: str,
    even: bool,  # noqa: FBT001 - a parameter
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice, (loads, evenly, at_random) = random.Random(seed), LOADS[load]
    senders = [
        Sender(Fleet(redis_client, queue_name, 1, name="", remembered=60.0), each, dice, even=even) for each in loads
    ]
    end = SETTLED + 30.0
    for tick in range(int(end / TICK)):
        for sender in senders:
            await sender.step(tick * TICK)
        if tick % 25 == 0:
            assert sum(row[GRANT] for row in (await rows(redis_client, queue_name)).values()) <= LIMIT + 1e-6
    starts = sorted(start for sender in senders for start in sender.starts)
    used = len([start for start in starts if start >= SETTLED]) / (end - SETTLED) / LIMIT
    print(f"{used:.3f} of the limit is used, at most {most_in_a_second(starts)} POSTs in a second")
    assert most_in_a_second(starts) <= LIMIT + len(loads)
    assert used >= (evenly if even else at_random)


async def test_no_second_sees_more_while_the_backlog_moves_from_worker_to_worker(
    redis_client: Redis, queue_name: str
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    fleet = [Fleet(redis_client, queue_name, 1, name="", remembered=60.0) for _ in range(3)]
    senders = [Sender(each, 0.0, dice, even=True) for each in fleet]
    change = 0.0
    for now in (tick * TICK for tick in range(6_000)):
        if now >= change:
            change = now + dice.uniform(1, 8)
            busy = dice.choice(senders)
            for sender in senders:
                sender.load = None if sender is busy else 0.0
        for sender in senders:
            await sender.step(now)
    starts = sorted(start for sender in senders for start in sender.starts)
    print(f"{len(starts) / 60 / LIMIT:.3f} of the limit is used, at most {most_in_a_second(starts)} POSTs in a second")
    assert most_in_a_second(starts) <= LIMIT + len(senders)
