"""Promise 7: memory is bounded, whatever waits; as the kernel counts a worker: VmHWM in proc(5), CPU in stat."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Answer, Faults, Simulator
from tests.support.faults import fault
from tests.support.service import KEY, WorkerProcess, census, event, eventually, settings, settled

Start = Callable[..., WorkerProcess]

SMALL = {"max_buffered_events": 5_000, "lease_ttl": 30.0}


def cpu(process: WorkerProcess) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def push(redis: Redis, queue: str, events: int) -> None:
    for start in range(0, events, 10_000):
        await redis.rpush(queue, *(event(f"u{n % 100}", n) for n in range(start, start + 10_000)))


async def drained(redis: Redis, url: str, queue: str, worker: Start, events: int) -> int:
    """The peak of a worker that drains so many."""
    await push(redis, queue, events)
    async with Simulator(KEY, keep_requests=False) as api:
        process = worker(settings(url, queue, api, **SMALL), fresh=True)
        await settled(redis, queue, within=200)
        assert api.ledger.accepted_events == events
    most = process.peak
    await process.stopped()
    return most


@pytest.mark.long
@pytest.mark.timeout(420)
@fault(
    "machine",
    "ten times the backlog, 500,000 events, and then an outage too",
    "memory use stays the same",
    keeps=(1, 7),
)
async def test_memory_does_not_grow_with_the_backlog(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, worker: Start
) -> None:
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis:
        usual = await drained(redis, server.url, queue_name, worker, 50_000)
        large = await drained(redis, server.url, queue_name + "-large", worker, 500_000)
        print(f"peak of 50,000: {usual:,} bytes, of 500,000: {large:,} bytes")
        assert large <= usual * 1.3
        queue = queue_name + "-outage"
        await push(redis, queue, 300_000)
        async with Simulator(KEY, faults=Faults(status_all=Answer(status=503))) as api:
            process = worker(settings(server.url, queue, api, **SMALL), fresh=True)
            await eventually(lambda: api.ledger.arrived > 100, within=60)
            now = await census(redis, queue)
            assert now.waiting + now.claimed == 300_000
            print(f"peak in an outage: {process.peak:,} bytes, {now.claimed} claimed")
            assert process.peak <= usual * 1.3


@pytest.mark.long
@fault(
    "API",
    "it fails for a moment for ten users with ten buffers' worth of large events, and recovers",
    "what is read again for them waits for room",
    keeps=(1, 2, 7),
)
async def test_users_who_recover_together_do_not_fill_memory(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, worker: Start
) -> None:
    limit, users, each = 16 * 1024 * 1024, 10, 800
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis, Simulator(KEY, keep_requests=False) as api:
        idle = worker(settings(server.url, queue_name + "-idle", api), fresh=True)
        await idle.admin()
        text = "x" * 20_000
        for n in range(0, users * each, 100):
            await redis.rpush(queue_name, *[event(f"u{i % users}", i, text=text) for i in range(n, n + 100)])
        api.faults = Faults(status_all=Answer(status=503))
        process = worker(settings(server.url, queue_name, api, max_buffered_bytes=limit, lease_ttl=30.0), fresh=True)
        await eventually(lambda: api.ledger.arrived > 20, within=20)
        api.faults = Faults()
        await settled(redis, queue_name, within=60)
        assert api.ledger.accepted_events == users * each
        grown = process.peak - idle.peak
        print(f"peak of an idle worker {idle.peak:,} bytes, {grown:,} more with a buffer of {limit:,}")
        assert grown < 1.5 * limit, "it is 1.05; the rest is what is in flight"
    await process.stopped()
    await idle.stopped()


async def test_a_worker_with_nothing_to_do_does_next_to_nothing(
    redis_url: str, queue_name: str, api: Simulator, worker: Start
) -> None:
    process = worker(settings(redis_url, queue_name, api))
    await process.admin()
    await eventually(lambda: any(line["event"] == "lease acquired" for line in process.lines()))
    begun, before = time.monotonic(), cpu(process)
    await eventually(lambda: time.monotonic() - begun > 5.0)
    share = (cpu(process) - before) / (time.monotonic() - begun)
    print(f"{share:.1%} of a core")
    assert share < 0.05
