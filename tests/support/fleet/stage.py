"""What a scene may do to its world."""

import asyncio
import math
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from forwarder.operations.resume import resume
from tests.support.fleet.outside import ODD, TIMEOUT, Trouble
from tests.support.fleet.scene_observer import SceneObserver
from tests.support.fleet.world import World
from tests.support.promises import SETTLING

#: Seconds until the workers of a scene have divided the lists and the rate.
BEGUN = 10.0


class Stage:
    """What a scene may do to its world."""

    def __init__(self, world: World, observer: SceneObserver) -> None:
        self.world = world
        self.observer = observer
        self.dice = world.dice("scene")
        self._named = 0

    @contextmanager
    def flaky(self, part: float) -> Iterator[None]:
        """This part of the requests to Redis, or of their replies, is lost or late."""
        world, since, names = self.world, self.world.now(), set(self.world.members)
        with self.observer.wrong("flaky"):
            self._trouble_lines(part)
            try:
                yield
            finally:
                self._trouble_lines(0.0)
                # A worker may lose its lease while it does not get through.
                for name in sorted(names | set(world.members)):
                    world.excuse(name, since - SETTLING, world.now() + TIMEOUT + SETTLING)

    def _trouble_lines(self, part: float) -> None:
        for name in self.world.members:
            self.world.network.line(name).trouble = part

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Everything that is pushed is refused, as after a broken deploy."""
        with self.world.fault("deploy"):
            self.world.broken = "rejected"
            try:
                yield
            finally:
                self.world.broken = ""

    async def allow_all(self) -> None:
        """A person has looked, and lets all that is bad through. From then on it is no reason for the brake."""
        self.observer.allowed = True
        await resume(self.world.person, allow_refusals=len(self.world.bad) * self.world.size.lists)
        self.world.faults[:] = [each for each in self.world.faults if each[0] != "deploy"]

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
        return await self.world.until(lambda: self.world.is_halted, within=within, every=0.25)


@contextmanager
def beside(*work: Awaitable[None]) -> Iterator[None]:
    """Work that goes on until the end of the block."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
