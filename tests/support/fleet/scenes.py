"""Scenes: minutes of a fleet with one kind of trouble, chosen so that what it does to others shows within them.

The rate, the buffer and the backoffs are small, so that a scene takes seconds. What is judged is the same in each.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from forwarder.operations.pause import pause
from forwarder.operations.resume import resume
from tests.support.fleet.outside import ANSWERS, ODD, Trouble
from tests.support.fleet.watch import Watch
from tests.support.fleet.world import Size, World

#: Seconds until the workers of a scene have divided the lists and the rate.
_BEGUN = 10.0


class Stage:
    """What a scene may do to its world."""

    def __init__(self, world: World, watch: Watch) -> None:
        self.world = world
        self.watch = watch
        self.dice = world.dice("scene")
        self._named = 0

    @contextmanager
    def wrong(self, name: str) -> Iterator[None]:
        """Something is wrong with more than a few users, until the end of the block."""
        self.watch.active.append(name)
        try:
            yield
        finally:
            self.watch.active.remove(name)

    def strangers(self, count: int, *, shard: int | None = None) -> list[str]:
        """Users whom nobody has seen yet, each with the name of one; of one list, if it is given."""
        found: list[str] = []
        while len(found) < count:
            self._named += 1
            user = f"s{self._named}"
            if shard is None or self.world.list_of(user) == self.world.lists[shard]:
                found.append(user)
        return found

    def odd(self, number: int) -> list[str]:
        self._named += 1
        return [f"odd{self._named}-{each}" for each in range(number)]

    async def steadily(self, per_second: int, *, refused: float = 0.05, seconds: float = math.inf) -> None:
        """Pushes events of strangers. This part of them is refused, as in everyday life."""
        until = self.world.now() + seconds
        while self.world.now() < until:
            users = self.strangers(per_second)
            bad = sum(self.dice.random() < refused for _ in users)
            broken = self.world.broken
            self.world.push(users[:bad], bad=broken or "rejected")
            self.world.push(users[bad:], bad=broken)
            await asyncio.sleep(1.0)

    def trouble(self, answer: str, seconds: float, users: list[str] | None = None, part: float = 1.0) -> None:
        """The API answers so, to these users or to all."""
        self.world.outside.troubles.append(Trouble(answer, ODD[answer], self.world.now() + seconds, part, users))

    async def halted(self, *, within: float) -> bool:
        """Waits for a halt."""
        until = self.world.now() + within
        while not self.world.is_halted and self.world.now() < until:  # noqa: ASYNC110 - Redis does not tell
            await asyncio.sleep(0.25)
        return self.world.is_halted


Act: TypeAlias = Callable[[Stage], Awaitable[None]]


@contextmanager
def beside(*work: Awaitable[None]) -> Iterator[None]:
    """Work that goes on until the end of the block."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def odd_answers(stage: Stage) -> None:
    """One user or two at a time get every answer that there is, one kind after the other."""
    world = stage.world
    with beside(stage.steadily(9, refused=0.1)):
        for kind in stage.dice.sample(sorted(ODD), len(ODD)):
            world.outside.latency = 0.4, 0.8
            for _ in range(2):
                users = stage.odd(stage.dice.choice([1, 2]))
                stage.trouble(kind, 20.0, users)
                for _ in range(10):
                    world.push(users * 30)
                    await asyncio.sleep(2.0)


async def refused_user(stage: Stage) -> None:
    """Two users push more than the buffer holds, and each of their events is refused."""
    world = stage.world
    world.outside.latency = 0.02, 0.05
    with beside(stage.steadily(14, refused=0.02)):
        await asyncio.sleep(_BEGUN)
        world.push(stage.odd(2) * 1_500, bad="rejected")
        await asyncio.sleep(150.0)


async def lonely_user(stage: Stage) -> None:
    """In a quiet hour nearly all events are one user's, and each of them is refused."""
    world = stage.world
    with beside(stage.steadily(1)):
        await asyncio.sleep(_BEGUN)
        for _ in range(4):
            world.push(stage.odd(1) * 150, bad="rejected")
            await asyncio.sleep(30.0)


async def failing_crowd(stage: Stage) -> None:
    """A hundred users get no answer for minutes, one after the other. All others are served meanwhile."""
    world = stage.world
    with beside(stage.steadily(8)):
        await asyncio.sleep(_BEGUN)
        users = stage.odd(120)
        stage.trouble("timeout", 240.0, users)
        for user in users:
            world.push([user] * 2)
            await asyncio.sleep(1.0)
        await asyncio.sleep(120.0)


async def broken_deploy(stage: Stage) -> None:
    """All is well; then everything that is pushed is refused, until the fleet halts."""
    world = stage.world
    with beside(stage.steadily(32, refused=0.0)):
        await asyncio.sleep(25.0)
        world.brake_since, world.broken = world.now(), "rejected"
        await stage.halted(within=60.0)
    await asyncio.sleep(5.0)
    world.broken = ""
    await allow_all(stage)


async def allow_all(stage: Stage) -> None:
    """A person has looked, and lets all that is bad through. From then on nothing is a reason for the brake."""
    await resume(stage.world.person, allow_refusals=len(stage.world.bad) * stage.world.size.lists)
    stage.world.brake_since = math.inf


async def allowed_refusals(stage: Stage) -> None:
    """A person lets everything through that is refused, while replies of Redis are lost."""
    world = stage.world
    world.brake_since, world.broken = world.now(), "rejected"
    await asyncio.sleep(_BEGUN)
    world.push(stage.strangers(1_600), bad="rejected")
    await stage.halted(within=120.0)
    await asyncio.sleep(5.0)
    world.broken = ""
    for member in world.members.values():
        world.network.line(member.name).trouble = 0.5
    with stage.wrong("flaky"):
        await allow_all(stage)
        await asyncio.sleep(20.0)
        for member in world.members.values():
            world.network.line(member.name).trouble = 0.0
    await asyncio.sleep(60.0)


async def one_busy_list(stage: Stage) -> None:
    """All that waits is in one list, then in another."""
    with beside(stage.steadily(1)):
        for shard in stage.dice.sample(range(stage.world.size.lists), 3):
            stage.world.push(stage.strangers(1_200, shard=shard))
            await asyncio.sleep(55.0)


async def changing_loads(stage: Stage) -> None:
    """What waits is now in one list, now in another, and sometimes nothing waits for a moment."""
    for _ in range(40):
        shard = stage.dice.randrange(stage.world.size.lists)
        stage.world.push(stage.strangers(stage.dice.randint(10, 80), shard=shard))
        await asyncio.sleep(stage.dice.uniform(0.2, 5.0))


async def recovery(stage: Stage) -> None:
    """Many users with many events fail, and recover together."""
    world = stage.world
    world.outside.latency = 0.5, 1.0
    users = stage.strangers(60)
    stage.trouble("503", 60.0, users)
    with stage.wrong("trouble"):
        for _ in range(6):
            world.push(users * 20)
            await asyncio.sleep(10.0)
    await asyncio.sleep(90.0)


async def long_outage(stage: Stage) -> None:
    """The API answers nobody for minutes, while more waits than the buffer holds."""
    world = stage.world
    users = stage.strangers(40)
    for _ in range(2):
        world.push(users * 10)
        stage.trouble(stage.dice.choice(["503", "refused"]), 240.0)
        with stage.wrong("outage"):
            for _ in range(6):
                world.push(users * 10)
                await asyncio.sleep(40.0)
        await asyncio.sleep(90.0)


async def halts(stage: Stage) -> None:
    """A person pauses the service; the key is revoked; processes come and go meanwhile."""
    world = stage.world
    with beside(stage.steadily(5)):
        await asyncio.sleep(_BEGUN)
        for is_calm in (True, False, True):
            await pause(world.person, seconds=20.0)
            await asyncio.sleep(stage.dice.uniform(0.0, 5.0))
            if not is_calm:
                await world.stop(stage.dice.choice(list(world.members.values())))
                world.start()
            await asyncio.sleep(30.0)
            with stage.wrong("revoke"):
                world.outside.key = f"key-{stage.dice.randrange(10**9)}"
                await asyncio.sleep(15.0)
                world.key_file.write_text(world.outside.key)
                await asyncio.sleep(15.0)


async def comings_and_goings(stage: Stage) -> None:
    """Workers come and go, while replies of Redis are lost for a few seconds; then all is well for a while."""
    world = stage.world
    with beside(stage.steadily(3)):
        for _ in range(16):
            joined = world.start()
            with stage.wrong("flaky"):
                for member in world.members.values():
                    world.network.line(member.name).trouble = 0.5
                await asyncio.sleep(stage.dice.uniform(1.0, 6.0))
                for member in world.members.values():
                    world.network.line(member.name).trouble = 0.0
            await asyncio.sleep(stage.dice.uniform(14.0, 20.0))
            await world.stop(joined)
            await asyncio.sleep(stage.dice.uniform(0.0, 4.0))


async def stalled_redis(stage: Stage) -> None:
    """Redis answers nothing for a few seconds, again and again."""
    world = stage.world
    world.outside.latency = 0.05, 0.1
    with beside(stage.steadily(9)):
        for _ in range(8):
            await asyncio.sleep(stage.dice.uniform(8.0, 12.0))
            with stage.wrong("hang"):
                world.network.hangs_until = world.now() + 4.0
                for name in world.members:
                    world.excuse(name, world.now() - 1.0, world.now() + 12.0)
                await asyncio.sleep(4.0)


@dataclass(frozen=True)
class Scene:
    """What happens, in how large a fleet, and how soon an event is accepted while nothing general is wrong."""

    act: Act
    workers: int = 3
    lists: int = 6
    rate: int = 20
    buffer: int = 2_000
    patience: float = 25.0
    retried: float = 3_600.0
    concurrency: int = 64
    #: Which part of its rate the fleet uses while others wait.
    used: float = 0.8

    @property
    def size(self) -> Size:
        settings: dict[str, object] = {
            "rate_limit": self.rate,
            "max_buffered_events": self.buffer,
            "max_retry_age": self.retried,
            "concurrency": self.concurrency,
            "max_attempts": 5,
        }
        return Size(self.workers, self.lists, settings)


SCENES: dict[str, Scene] = {
    "odd answers": Scene(odd_answers, concurrency=6),
    "a refused user": Scene(refused_user, workers=2, lists=2, buffer=1_000),
    "a lonely user": Scene(lonely_user, lists=3),
    "a failing crowd": Scene(failing_crowd, workers=2, lists=2, buffer=1_000, concurrency=32),
    "a broken deploy": Scene(broken_deploy, workers=8, lists=8, rate=40),
    "allowed refusals": Scene(allowed_refusals, workers=4, lists=8, rate=100),
    "one busy list": Scene(one_busy_list, workers=4, lists=8, patience=math.inf),
    "changing loads": Scene(changing_loads, workers=4, lists=8, used=0.0, patience=math.inf),
    "recovery": Scene(recovery, workers=2, lists=2, rate=60, buffer=600, patience=math.inf),
    "a long outage": Scene(long_outage, workers=2, lists=2, buffer=100, retried=100.0, patience=math.inf),
    "halts": Scene(halts, workers=4, lists=8),
    "comings and goings": Scene(comings_and_goings, workers=3, lists=12, patience=math.inf),
    "a stalled Redis": Scene(stalled_redis, workers=2, lists=2, patience=math.inf),
}

_ = (ANSWERS, random)
