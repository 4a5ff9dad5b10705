"""Scenes of a resharding: all workers are stopped, the lists are moved, and workers start with the new number."""

import asyncio
from contextlib import suppress
from unittest.mock import patch

from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.replay import Replay, Terms
from forwarder.dead_letters.selection import Filter
from forwarder.errors import ForwarderError
from forwarder.queue import queue as lists
from tests.support.fleet.ending import stopped
from tests.support.fleet.stage import BEGUN, Stage
from tests.support.fleet.world import QUEUE
from tests.support.resharding import MOST_BYTES, reshard
from tests.support.virtual import network

#: Seconds within which a resharding must be done. Without faults it takes a few.
_MOVED = 1_500.0


async def replay_meanwhile(stage: Stage) -> None:
    """A person replays dead letters, and does not know that another one begins a resharding."""
    world = stage.world
    await _letters(stage, 400)
    world.outside.malformed.clear()  # somebody has mended what was refused
    letters = Letters(world.person)
    selection = await letters.selection(None, Filter())
    replaying = asyncio.ensure_future(Replay(letters, Terms(max_bytes=MOST_BYTES)).run(selection))
    await asyncio.sleep(stage.dice.uniform(0.0, 0.15))
    await _move(stage, 2)
    with suppress(ForwarderError):
        await replaying


async def slow_redis(stage: Stage) -> None:
    """Redis is far away, and most dead letters stay in their lists."""
    await _letters(stage, 3_000)
    await _move(stage, 6, one_way=2.0)


async def _letters(stage: Stage, count: int) -> None:
    """This number of events become dead letters; then all workers stop."""
    world = stage.world
    await asyncio.sleep(BEGUN)
    world.push(stage.strangers(count), bad="rejected")
    await world.until(lambda: world.letters >= count, within=_MOVED)
    world.push(stage.strangers(30))
    await stopped(world)


async def _move(stage: Stage, after: int, *, one_way: float = network.ONE_WAY) -> None:
    """Changes the number of lists, over a line that takes these seconds, and starts workers for the new number."""
    world = stage.world
    slow = patch.object(network, "ONE_WAY", one_way)
    with stage.observer.wrong("resharding"), patch.object(lists, "MOST_SHARDS", 16), slow:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(_MOVED):
                await reshard("unix:///mover", QUEUE, after)
        except TimeoutError:
            world.violated("not moved", f"the resharding is not done after {_MOVED:.0f} s")
    world.size.lists = after
    for _ in range(world.size.workers):
        world.start()
    await asyncio.sleep(30.0)
