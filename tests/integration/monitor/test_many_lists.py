"""What workers do for many lists: each list is counted once, and a worker works for its own lists alone."""

from dataclasses import dataclass

from redis.asyncio import Redis

from forwarder.metrics import Metrics
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.watch import SAMPLED, Watch
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from tests.support.commandstats import calls
from tests.support.service import event

LISTS = 64
#: Only the counting of a list uses it, once.
COUNTING = "xlen"


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
    before, hashes = await calls(redis_client, COUNTING), await calls(redis_client, "hgetall")
    for each in watchers:
        await each.sample()
    assert await calls(redis_client, COUNTING) - before == LISTS
    assert await calls(redis_client, "hgetall") == hashes, "nobody looks at the workers"
    assert {each.waiting for each in watchers} == {sum(range(LISTS + 1))}


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


async def test_after_an_action_the_lists_are_counted_whatever_others_have_counted(
    redis_client: Redis, queue_name: str
) -> None:
    one = Watcher(redis_client, queue_name)
    await one.sample()
    await redis_client.rpush(Keys(queue_name, 3, of=LISTS).list, event("u", 1))
    one.watch.forget()
    await one.sample()
    assert one.waiting == 1
