"""Plays one scene to its end, or to the first promise that is broken."""

import asyncio
from dataclasses import dataclass, field

from tests.support.fleet import verdict
from tests.support.fleet.play import play
from tests.support.fleet.scenes import SCENES, Scene, Stage
from tests.support.fleet.watch import Watch
from tests.support.fleet.world import World

#: Seconds after the scene within which everything must be decided.
_DECIDED = 900.0


@dataclass
class Played:
    """What became of a scene: how many virtual hours it took, and each broken promise."""

    hours: float
    posts: int
    digest: str
    faults: list[str] = field(default_factory=list)


def staged(name: str, *, seed: str) -> Played:
    """Plays the scene with this name. The same seed gives the same history."""
    scene = SCENES[name]

    async def story(world: World) -> Played:
        return await _Play(world, scene).run()

    return play(story, scene.size, seed=f"{name} {seed}")


class _Play:
    def __init__(self, world: World, scene: Scene) -> None:
        self._world = world
        self._scene = scene
        self._watch = Watch(world, patience=scene.patience, used=scene.used)

    async def run(self) -> Played:
        world = self._world
        for _ in range(self._scene.workers):
            world.start()
            await asyncio.sleep(world.dice("starts").uniform(0.0, 1.0))
        acting = asyncio.ensure_future(self._scene.act(Stage(world, self._watch)))
        await self._watched(acting)
        if acting.done():
            acting.result()
        acting.cancel()
        await self._watched(asyncio.ensure_future(self._decided()))
        if world.undecided and not world.violations:
            world.violated(f"not decided: {world.undecided} events, {_DECIDED:.0f} s after the end")
        if not world.violations:
            for member in list(world.members.values()):
                await world.stop(member)
            limit = float(world.settings("nobody").rate_limit)
            world.violations[:] = verdict.faults(world, limit=limit, workers=world.most_workers)
        return Played(world.now() / 3600, world.outside.posts, world.trace.digest, world.violations)

    async def _watched(self, work: asyncio.Future[None]) -> None:
        """Looks once a second until the work is done, or a promise is broken."""
        while not (work.done() or self._world.violations):
            await asyncio.wait({work}, timeout=1.0)
            self._watch.look()

    async def _decided(self) -> None:
        until = self._world.now() + _DECIDED
        while self._world.undecided and self._world.now() < until:  # noqa: ASYNC110 - Redis does not tell
            await asyncio.sleep(5.0)
