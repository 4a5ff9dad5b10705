"""Scenes: a fleet, and one kind of trouble in it, chosen so that what it does to others shows within minutes.

The rate, the buffer and the backoffs are small, so that a scene takes seconds. What is judged is the same in each.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeAlias

from tests.support.fleet import acts, moves, scene_observer, verdict
from tests.support.fleet.ending import everything_is_decided, stopped
from tests.support.fleet.play import play
from tests.support.fleet.scene_observer import SceneObserver
from tests.support.fleet.stage import Stage
from tests.support.fleet.world import Size, World

#: Seconds after the scene within which everything must be decided.
_DECIDED = 900.0

Act: TypeAlias = Callable[[Stage], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Scene:
    """What happens, and in how large a fleet.

    Attributes:
        patience: seconds within which an event of a user who is not odd is accepted while nothing general is wrong.
        used: which part of its rate the fleet uses while others wait.
    """

    act: Act
    workers: int = 3
    lists: int = 6
    rate: int = 20
    buffer: int = 2_000
    retried: int = 3_600
    concurrency: int = 64
    brake: int = 100
    per_post: int = 100
    patience: float = 25.0
    used: float = 0.8

    @property
    def size(self) -> Size:
        settings: dict[str, object] = {
            "rate_limit": self.rate,
            "max_buffered_events": self.buffer,
            "max_retry_age": self.retried,
            "max_attempts": 5,
            "concurrency": self.concurrency,
            "dead_letter_brake": self.brake,
            "max_events_per_post": self.per_post,
        }
        return Size(self.workers, self.lists, settings)


SCENES: dict[str, Scene] = {
    "odd answers": Scene(acts.odd_answers, concurrency=6),
    "busy half-odd users": Scene(
        acts.half_odd_users, workers=1, lists=1, rate=40, concurrency=32, per_post=10, patience=inf, used=0.75
    ),
    "a refused user": Scene(acts.refused_user, workers=2, lists=2, buffer=1_000),
    "a lonely user": Scene(acts.lonely_user, lists=3),
    "a failing crowd": Scene(
        acts.failing_crowd, workers=2, lists=2, buffer=1_000, concurrency=32, patience=60.0, used=0.0
    ),
    "a broken deploy": Scene(acts.broken_deploy, workers=8, lists=8, rate=40),
    "allowed refusals": Scene(acts.allowed_refusals, workers=4, lists=8, rate=100),
    "one busy list": Scene(acts.one_busy_list, workers=4, lists=8, patience=inf),
    "uneven arrivals": Scene(acts.uneven_arrivals, workers=2, lists=2, rate=60),
    "recovery": Scene(acts.recovery, workers=2, lists=2, rate=60, buffer=600, patience=inf),
    "a long outage": Scene(acts.long_outage, workers=2, lists=2, buffer=100, patience=inf),
    "an outage of few": Scene(acts.outage_of_few, workers=2, lists=2, retried=100),
    "halts": Scene(acts.halts, workers=4, lists=8),
    "comings and goings": Scene(acts.comings_and_goings, lists=12, patience=inf),
    "a stalled Redis": Scene(acts.stalled_redis, workers=2, lists=2, patience=inf),
    "a replay while lists move": Scene(moves.replay_meanwhile, lists=5, rate=200, brake=0, patience=inf),
    "a slow Redis while lists move": Scene(moves.slow_redis, lists=2, rate=1_000, brake=0, patience=inf),
}


@dataclass
class Played:
    """What became of a scene: how many virtual hours it took, and each broken promise."""

    hours: float
    posts: int
    digest: str
    #: Each begins with its second and its kind, as a violation is printed.
    faults: list[str] = field(default_factory=list)


def played(name: str, *, seed: str) -> Played:
    """Plays the scene with this name to its end, or to the first promise that is broken.

    The same seed gives the same history.
    """
    scene = SCENES[name]

    async def story(world: World) -> Played:
        await _play(world, scene)
        return Played(world.now() / 3600, world.outside.posts, world.trace.digest, list(map(str, world.violations)))

    return play(story, scene.size, seed=f"{name} {seed}")


async def _play(world: World, scene: Scene) -> None:
    observer = SceneObserver(world, scene_observer.bounds(patience=scene.patience, used=scene.used))
    dice = world.dice("starts")
    for _ in range(scene.workers):
        world.start()
        await asyncio.sleep(dice.uniform(0.0, 1.0))
    await observer.watch(scene.act(Stage(world, observer)))
    await observer.watch(everything_is_decided(world, _DECIDED))
    if not world.violations:
        await stopped(world)
        world.violations[:] = verdict.violations(world)
