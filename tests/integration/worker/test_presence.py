"""What people see of a worker in the fleet, in each of its states."""

import asyncio
from collections.abc import Callable

import pytest

from forwarder import __version__
from forwarder.operations.resume import end_halt
from forwarder.queue.about import About
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults
from tests.support.service import KEY, event, eventually, running
from tests.support.world import World


class Seen:
    """The workers of a world, as others see them."""

    def __init__(self, world: World) -> None:
        self.queue = Queue(world.redis, world.queue, 1)

    async def until(self, holds: Callable[[About], object], *, placed: bool = True) -> About:
        """The only worker, once this holds for it, and once it has a place or none."""

        async def found() -> About | None:
            workers, with_place = await self.queue.workers(), await self.queue.workers(placed=True)
            right = len(workers) == 1 and bool(with_place) is placed
            return next((each for each in workers.values() if holds(each)), None) if right else None

        about: About = await eventually(found, what="the worker is seen like this")
        return about


@pytest.mark.long
async def test_a_worker_is_seen_while_it_delivers_is_halted_has_resumed_and_stops(world: World) -> None:
    seen = Seen(world)
    async with world.service() as service:
        await world.push(*(event("u", n) for n in range(20)))
        await world.settled()
        about = await seen.until(lambda each: each.lists)
        assert (about.version, about.state, about.reason, about.lists) == (__version__, "delivering", "", 1)
        assert 0 < about.uptime < 60
        assert (about.silence, about.refused) == (None, None)

        world.api.api_key = "the-next-key"
        await world.push(event("u", 20))
        about = await seen.until(lambda each: each.state == "halted" and not each.lists, placed=False)
        assert about.reason == "credentials"
        assert (about.accepted or 0) > 1
        assert await seen.queue.write_shards("1", "1"), "a halted worker does not keep anybody from resharding"
        world.api.api_key = KEY
        await end_halt(seen.queue)
        await seen.until(lambda each: each.state == "delivering")

        world.api.faults = Faults(latency=0.4)
        await world.push(event("u", 21))
        await eventually(lambda: world.api.ledger.accepted_events == 22)
        service.service.stop()
        about = await seen.until(lambda each: each.state == "stopping", placed=False)
        assert about.lists == 1
        [census] = await seen.queue.censuses()
        assert census.owner in await seen.queue.workers(), "its list has a living owner while a POST finishes"
    assert not await seen.queue.workers()


async def test_a_worker_says_how_old_its_oldest_event_is_and_that_the_api_is_silent(world: World) -> None:
    world.api.faults = Faults(hang_rate=1)
    await world.push(event("u", 1))
    async with running(world.settings(request_timeout=0.3, retry_max=0.1)):
        about = await Seen(world).until(lambda each: each.silence and each.oldest)
        assert about.silence
        assert about.silence.cause == "timeout"
        assert about.state == "delivering"
        world.api.faults = Faults()
        await asyncio.wait_for(world.settled(), 10)
