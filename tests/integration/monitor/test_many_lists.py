"""What workers do for many lists: each list is counted once, and a worker works for its own lists alone."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from forwarder.metrics import Metrics
from forwarder.monitor import latest_letters
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import PERIOD
from forwarder.monitor.watch import SAMPLED, Watch
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.commandstats import calls
from tests.support.owners import owners, shared_fairly
from tests.support.service import event, eventually, running, settings

LISTS = 64
#: Only the counting of a list uses it, once.
COUNTING = "xlen"
#: Only a look at all workers uses it, after they have come.
WORKERS = "hgetall"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Watcher:
    """What one process knows, by a clock that stands still until it is set."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        lists = Queue(redis, queue, LISTS)
        self.watch = Watch(lists, Gauges(self.metrics, LISTS, self.clock), self.clock)

    async def sample(self) -> None:
        await self.watch.refresh(max_age=SAMPLED, patience=10.0)

    @property
    def waiting(self) -> float:
        return self.metrics.values()["queue_waiting_events"][""]


async def test_however_many_processes_take_a_sample_each_list_is_counted_once(
    redis_client: Redis, queue_name: str
) -> None:
    for shard in range(LISTS):
        await redis_client.rpush(Keys(queue_name, shard, of=LISTS).list, *(event("u", n) for n in range(shard + 1)))
    watchers = [Watcher(redis_client, queue_name) for _ in range(8)]
    before = await calls(redis_client, COUNTING)
    for each in watchers:
        await each.sample()
    assert await calls(redis_client, COUNTING) - before == LISTS
    assert {each.waiting for each in watchers} == {sum(range(LISTS + 1))}


async def test_in_a_large_fleet_each_process_rarely_reads_the_rows_of_all_workers(
    redis_client: Redis, queue_name: str
) -> None:
    queue = Queue(redis_client, queue_name, LISTS)
    for n in range(60):
        await queue.fleet(name=f"host:{n}", remembered=30.0).attend()
    one = Watcher(redis_client, queue_name)
    before = await calls(redis_client, WORKERS)
    for now, times in ((0.0, 1), (PERIOD, 1), (2 * PERIOD, 2)):
        one.clock.now = now
        await one.sample()
        assert await calls(redis_client, WORKERS) - before == times, "the rows of 60 workers are read every six seconds"


async def test_who_looks_gets_newer_counts_than_a_sample_needs(redis_client: Redis, queue_name: str) -> None:
    one = Watcher(redis_client, queue_name)
    await one.sample()
    await redis_client.rpush(Keys(queue_name, 3, of=LISTS).list, event("u", 1))
    one.clock.now = 2.0
    await one.sample()
    assert one.waiting == 0
    await redis_client.hincrby(QueueKeys(queue_name).counts, "at", -2_000_000)
    await one.watch.refresh(patience=10.0)
    assert one.waiting == 1


async def test_the_page_reads_the_letters_of_the_lists_that_have_some(redis_client: Redis, queue_name: str) -> None:
    one = Watcher(redis_client, queue_name)
    for shard in (3, 60):
        await redis_client.xadd(Keys(queue_name, shard, of=LISTS).dead, {"element": b"{}", "reason": "rejected"})
    before = await calls(redis_client, "xrevrange")
    seen = await one.watch.refresh(in_full=True, patience=10.0)
    assert seen is not None
    assert (seen.letters.exact, [(each.count, each.lists) for each in seen.letters.by_name]) == (True, [(2, 2)])
    assert await calls(redis_client, "xrevrange") - before < 2 * 4

    async def read_later() -> int:
        """How many letters Redis reads when somebody looks again after a while."""
        before = await calls(redis_client, "xrange")
        one.clock.now += 5.0
        one.watch.forget()  # so that the lists are counted again
        seen = await one.watch.refresh(in_full=True, patience=10.0)
        assert seen is not None
        assert seen.letters.exact
        return await calls(redis_client, "xrange") - before

    assert await read_later() == 0, "nothing has changed"
    await redis_client.xadd(Keys(queue_name, 3, of=LISTS).dead, {"element": b"{}", "reason": "rejected"})
    assert await read_later() == 4, "the new letter, the end after it, and the latest of two groups"


async def test_many_letters_are_counted_bit_by_bit_although_nothing_changes_any_more(
    redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest_letters, "_CALLS", 1)
    for shard in (3, 60):
        pipeline = redis_client.pipeline()
        for _ in range(150):
            pipeline.xadd(Keys(queue_name, shard, of=LISTS).dead, {"element": b"{}", "reason": "rejected"})
        await pipeline.execute()
    one = Watcher(redis_client, queue_name)
    counted: list[tuple[int, bool]] = []
    for _ in range(8):
        one.clock.now += 5.0
        seen = await one.watch.refresh(in_full=True, patience=10.0)
        assert seen is not None
        counted.append((sum(each.count for each in seen.letters.by_name), seen.letters.exact))
    assert counted == sorted(counted)
    assert (counted[0], counted[-1]) == ((100, False), (300, True))


async def test_after_an_action_the_lists_are_counted_whatever_others_have_counted(
    redis_client: Redis, queue_name: str
) -> None:
    one = Watcher(redis_client, queue_name)
    await one.sample()
    await redis_client.rpush(Keys(queue_name, 3, of=LISTS).list, event("u", 1))
    one.watch.forget()
    await one.sample()
    assert one.waiting == 1


@pytest.mark.long
async def test_the_commands_of_a_worker_grow_with_its_own_lists_alone(
    redis_url: str, queue_name: str, api: Simulator
) -> None:
    """Four workers send about as many commands for their lists as one sends for all of them."""
    rates = []
    for workers in (1, 4):
        given = settings(redis_url, f"{queue_name}-{workers}", api, shards=LISTS, lease_ttl=10.0)
        async with AsyncExitStack() as stack, connect(redis_url) as redis:
            lists = Queue(redis, given.queue, LISTS)
            for _ in range(workers):
                await stack.enter_async_context(running(given))

            async def fair(lists: Queue = lists, workers: int = workers) -> bool:
                return shared_fairly(await owners(lists), workers)

            await eventually(fair, what="the workers share the lists")
            rates.append(await _commands(redis, seconds=10.0))
    alone, shared = rates
    print(f"commands/s: {alone:.0f} by one worker, {shared:.0f} by four")
    # A heartbeat, a sample and a look for a halt take a worker about 18 a second. To count 64 lists takes 270.
    assert shared - alone < 4 * 30


async def _commands(redis: Redis, *, seconds: float) -> float:
    """Commands per second, those within scripts included."""
    before = (await redis.info("commandstats")).values()
    await asyncio.sleep(seconds)
    after = (await redis.info("commandstats")).values()
    calls = sum(each["calls"] for each in after) - sum(each["calls"] for each in before)
    return float(calls) / seconds
