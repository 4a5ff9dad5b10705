"""A worker that has fewer lists than its share looks for free ones, and leaves those in peace that others hold."""

import time

from redis.asyncio import Redis

from forwarder.queue.fleet import Fleet
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.simulator import Simulator
from tests.support.commandstats import calls
from tests.support.owners import owners
from tests.support.service import eventually, running, settings

LISTS = 64


async def scripts(redis: Redis) -> int:
    """Scripts that ran, without those that count lists."""
    return await calls(redis, "evalsha") - await calls(redis, "xlen")


async def test_lists_that_others_hold_are_looked_at_together_and_not_tried(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    lists = Queue(redis_client, queue_name, LISTS)
    await Fleet(redis_client, queue_name, LISTS, name="died", remembered=60.0).attend()
    leases = [lists.lease(shard, ttl=60.0, owner="died", clock=time.monotonic) for shard in range(LISTS)]
    for lease in leases:
        await lease.acquire()
    await lists.censuses()  # now Redis knows the script, or each list would need two calls the first time
    async with running(settings(redis_url, queue_name, api, shards=LISTS)):
        before, beats = await scripts(redis_client), await calls(redis_client, "hgetall")

        async def beaten() -> bool:
            return await calls(redis_client, "hgetall") - beats >= 3

        await eventually(beaten, what="three heartbeats")
        # A heartbeat is two scripts, and a sample two. To try all lists is 64 more with each heartbeat.
        assert await scripts(redis_client) - before <= 3 * 2 + 4
        for lease in leases[10:20]:
            await lease.release()
        await redis_client.delete(Keys(queue_name, 30, of=LISTS).lease)
        await redis_client.persist(Keys(queue_name, 40, of=LISTS).lease)

        async def taken() -> bool:
            return sum(owner not in (None, "died") for owner in await owners(lists)) == 12

        await eventually(taken, within=5.0, what="the free lists, and one whose lease would never end, have an owner")
