"""The life of a random world: producers push, faults come and go, a person looks; then it is calm, and judged."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from forwarder.errors import ForwarderError
from forwarder.operations.resume import resume
from forwarder.retry import cancelled
from tests.support.fleet import ending, verdict
from tests.support.fleet.faults import FAULTS, HARMLESS
from tests.support.fleet.observer import Bounds, Observer
from tests.support.fleet.play import play
from tests.support.fleet.producers import Producers
from tests.support.fleet.world import Size, Violation, World

#: Seconds between two looks of the person who ends halts.
_ROUND = 20.0


@dataclass
class Report:
    """What became of a world."""

    seed: str
    digest: str
    hours: float
    worker_hours: float
    events: int
    posts: int
    worst: int
    doubles: int
    commands: int
    #: How often each fault was caused.
    faults: Counter[str]
    violations: list[Violation] = field(default_factory=list)
    #: The first faults, and the last lines before the first broken promise.
    first: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


class Life:
    """One world from its first worker to the verdict.

    Args:
        hours: virtual hours with faults.
        pause: mean seconds between two faults.
    """

    def __init__(self, world: World, *, hours: float, pause: float, only: tuple[str, ...] = ()) -> None:
        self._world = world
        self._dice = world.dice("faults")
        self._seconds = hours * 3600
        self._pause = pause
        self._kinds = list(only or FAULTS)
        self._observer = Observer(world, Bounds())
        self._caused: Counter[str] = Counter()
        self._first: list[str] = []

    async def run(self) -> Report:
        world, dice = self._world, self._dice
        for _ in range(world.size.workers):
            world.start()
            await asyncio.sleep(dice.choice([0.0, dice.uniform(0, 3)]))
        producers = Producers(world, users=dice.choice([20, 200, 2000]), pause=dice.choice([3.0, 10.0, 30.0]))
        pushing = asyncio.create_task(producers.run())
        person = asyncio.create_task(self._person())
        await self._observer.watch(self._until_the_end(pushing))
        await cancelled([pushing, person])
        for task in (pushing, person):
            if not task.cancelled():
                task.result()
        return self._report()

    async def _until_the_end(self, pushing: asyncio.Task[Any]) -> None:
        await self._faults()
        pushing.cancel()
        await ending.end(self._world)

    async def _faults(self) -> None:
        running: list[asyncio.Task[None]] = []
        end = self._world.now() + self._seconds
        await asyncio.sleep(self._dice.uniform(5, 60))
        while self._world.now() < end:
            name = self._dice.choice(self._kinds)
            running.append(asyncio.create_task(self._cause(name)))
            await asyncio.sleep(self._dice.expovariate(1 / self._pause))
        await asyncio.gather(*running)

    async def _cause(self, name: str) -> None:
        world = self._world
        if not world.members:
            return
        self._caused[name] += 1
        self._first = [*self._first, f"{world.now():.3f} s: {name}"][:5]
        world.trace.add("fault", name)
        with world.fault(name) if name in HARMLESS else self._observer.wrong(name):
            await FAULTS[name](world, self._dice)
            world.trace.add("fault", f"{name} is over")

    async def _person(self) -> None:
        """Ends a halt once its cause is over. Lets the bad events through that are still undecided."""
        world = self._world
        while True:
            await asyncio.sleep(_ROUND)
            halt = world.look("GET", "{events}:halt")
            if halt is None or world.broken or world.now() < world.paused_until:
                continue
            with suppress(ForwarderError):
                await resume(world.person, allow_refusals=len(world.bad))
                self._observer.allowed = True
                world.trace.add("person", "resume")

    def _report(self) -> Report:
        world = self._world
        found = verdict.violations(world)
        return Report(
            seed=world.seed,
            digest=world.trace.digest,
            hours=world.now() / 3600,
            worker_hours=world.worker_seconds / 3600,
            events=world.numbers,
            posts=world.outside.posts,
            worst=world.outside.worst,
            doubles=len(verdict.doubles(world)),
            commands=world.network.commands,
            faults=self._caused,
            violations=found,
            first=self._first,
            tail=world.trace.tail if found else [],
        )


def live(seed: str, *, size: Size, hours: float, pause: float = 60.0, only: tuple[str, ...] = ()) -> Report:
    """A whole random life. The same arguments give the same report."""

    # Little memory, so that it is full now and then; and short POSTs, so that users take turns.
    dice = random.Random(f"settings of {seed}")
    varied = {"max_buffered_events": dice.choice([50, 1_000, 100_000]), "max_events_per_post": dice.choice([7, 100])}
    size = replace(size, settings={**varied, **size.settings})

    async def story(world: World) -> Report:
        return await Life(world, hours=hours, pause=pause, only=only).run()

    return play(story, size, seed=seed)
