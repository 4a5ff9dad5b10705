"""Plays one world to its end, inside a virtual loop, with everything certain."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tests.support.fleet.certain import certain
from tests.support.fleet.world import Size, World
from tests.support.virtual.actors import ActorLoop
from tests.support.virtual.network import Network
from tests.support.virtual.quiet import quiet
from tests.support.virtual.stepped import EPOCH, SteppedRedis

T = TypeVar("T")


def play(story: Callable[[World], Awaitable[T]], size: Size, *, seed: str) -> T:
    """Runs a story in a world of its own, with a Redis of its own. `seed` decides everything."""
    loops: list[ActorLoop] = []

    def loop() -> ActorLoop:
        loops.append(ActorLoop())
        return loops[0]

    async def live(network: Network, folder: str) -> T:
        world = World(network, Path(folder), size, seed)
        with quiet(world.logged):
            sweeping = asyncio.create_task(world.sweep())
            try:
                return await story(world)
            finally:
                await world.end()
                sweeping.cancel()

    with SteppedRedis() as server, TemporaryDirectory(prefix="fwd-") as folder:
        network = Network(server, seed)
        with certain(seed, lambda: EPOCH + loops[0].time()), network.patched():
            with asyncio.Runner(loop_factory=loop) as runner:
                result = runner.run(live(network, folder))
            gc.collect()
    return result
