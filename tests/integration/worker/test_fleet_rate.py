"""The rate of a fleet of real workers."""

import json
import time
from contextlib import AsyncExitStack

import pytest

from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import list_name, shard_of
from tests.support.owners import owners, shared_fairly
from tests.support.rows import CALL, GRANT, packed, rows
from tests.support.service import Running, event, eventually, running
from tests.support.world import World

WORKERS = 4
LIMIT = 40
#: POSTs in a row that are timed.
POSTS = 60


async def halted(service: Running, *, within: float) -> None:
    async def is_halted() -> bool:
        return '"halted"' in (await service.get("/readyz"))[1]

    await eventually(is_halted, within=within)


@pytest.mark.parametrize("backlog", ["waits already", pytest.param("comes when all are idle", marks=pytest.mark.long)])
async def test_four_workers_with_one_busy_list_use_the_whole_rate(world: World, backlog: str) -> None:
    users = (user for user in (f"u{n}" for n in range(10_000)) if shard_of(user, WORKERS) == 0)
    elements = [event(user, n) for n, user in zip(range(1_500), users, strict=False)]
    requests, lists = world.api.ledger.requests, Queue(world.redis, world.queue, WORKERS)
    given = world.settings(shards=WORKERS, rate_limit=LIMIT, max_events_per_post=1, lease_ttl=30.0)
    if backlog == "waits already":
        await world.redis.rpush(list_name(world.queue, 0, WORKERS), *elements)

    async def idle() -> bool:
        grants = [row[GRANT] for row in (await rows(world.redis, world.queue)).values()]
        return grants == [LIMIT / WORKERS] * WORKERS

    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(running(given)) for _ in range(WORKERS)]

        async def shared() -> bool:
            return shared_fairly(await owners(lists), WORKERS)

        await eventually(shared, what="each worker has a list")
        if backlog == "comes when all are idle":
            await eventually(idle, what="each worker has its part of the rate")
            await world.redis.rpush(list_name(world.queue, 0, WORKERS), *elements)
        before = len(requests)

        def rate() -> float:
            """Of the last POSTs in a row, by when they arrived."""
            return (POSTS - 1) / (requests[-1].at - requests[-POSTS].at) if len(requests) >= before + POSTS else 0.0

        await eventually(lambda: rate() >= 0.95 * LIMIT, within=30, what="the fleet uses its rate")
        seconds = requests[-POSTS].at - requests[before].at
        print(f"{rate():.1f} POSTs/s, {seconds:.1f} s after the backlog came")
        assert sum(row[GRANT] for row in (await rows(world.redis, world.queue)).values()) <= LIMIT + 1e-6
        for service in services:
            found = json.loads((await service.get("/status.json"))[1])["limits"]["rate"]
            assert found["now"] == found["most"] <= LIMIT, "the page must not say that 429s have lowered it"


@pytest.mark.long
async def test_a_worker_of_a_large_fleet_reports_less_often_and_still_notices_a_halt(world: World) -> None:
    """300 others, of which only the rows exist."""
    others = {f"w{n}" for n in range(300)}
    row = packed([1, int((time.time() + 60) * 1e6), 1, 0, 0, 0, 0, "{}"])
    await world.redis.hset(QueueKeys(world.queue).workers, mapping=dict.fromkeys(others, row))
    async with world.service(lease_ttl=30.0) as service:

        async def reported(times: int) -> bool:
            found = await rows(world.redis, world.queue)
            return any(row[CALL] == times for name, row in found.items() if name not in others)

        await eventually(lambda: reported(1))
        first = time.monotonic()
        await eventually(lambda: reported(2))
        assert time.monotonic() - first > 2.5, "301 workers, so every three seconds"
        await Queue(world.redis, world.queue, 1).write_halt(HaltRecord("misdirected", "", "", ""))
        await halted(service, within=2.0)
