"""What people see of a worker in the fleet, in each of its states."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from forwarder import __version__
from forwarder.config import Settings
from forwarder.operations.facts import setup_of
from forwarder.operations.resume import end_halt
from forwarder.operations.status import survey
from forwarder.queue.about import About
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults
from tests.support.service import KEY, WorkerProcess, event, eventually, running
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


@pytest.mark.long
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


@pytest.mark.long
async def test_a_killed_owner_is_missed_and_one_that_stops_is_not(
    world: World, worker: Callable[[Settings], WorkerProcess]
) -> None:
    given, queue = world.settings(lease_ttl=6.0), Queue(world.redis, world.queue, 1)

    async def orphans() -> dict[str, float]:
        return (await survey(queue, setup_of(given))).facts.orphans

    async def owned(*, by: int, workers: int) -> bool:
        assert not await orphans()
        seen, [census] = await queue.workers(), await queue.censuses()
        return len(seen) == workers and seen.get(census.owner, About("")).name.endswith(f":{by}")

    first = worker(given)
    await eventually(lambda: owned(by=first.process.pid, workers=1))
    second = worker(given)
    await eventually(lambda: owned(by=first.process.pid, workers=2))
    world.api.faults = Faults(latency=1.5)
    await world.push(event("u", 1))
    await eventually(lambda: world.api.ledger.accepted_events)
    first.process.send_signal(signal.SIGTERM)
    await eventually(lambda: owned(by=second.process.pid, workers=1), pause=0.05)
    second.kill()
    [(name, seconds)] = (await eventually(orphans, what="its owner is missed")).items()
    assert name == world.queue
    assert 0 < seconds <= 3.6
    third = worker(given)
    await eventually(lambda: queue.free([0]), within=seconds + 1)
    await eventually(lambda: owned(by=third.process.pid, workers=1))


@pytest.mark.long
async def test_a_halted_worker_that_freezes_is_forgotten_and_comes_back(
    world: World, worker: Callable[[Settings], WorkerProcess]
) -> None:
    seen = Seen(world)
    await seen.queue.write_halt(HaltRecord("misdirected", "a portal", "", ""))
    halted = worker(world.settings())
    await seen.until(lambda each: each.reason == "misdirected", placed=False)
    halted.process.send_signal(signal.SIGSTOP)

    async def forgotten() -> bool:
        return not await seen.queue.workers()

    await eventually(forgotten, within=5)
    halted.process.send_signal(signal.SIGCONT)
    await seen.until(lambda each: each.state == "halted", placed=False)
    await end_halt(seen.queue)
    await seen.until(lambda each: each.state == "delivering")
    assert await halted.stopped() == 0
    assert await forgotten(), "it has deregistered"
