"""What many workers with many lists cost Redis when nothing is pushed: heartbeats, counts, searches for free lists.

    .venv/bin/python -m tests.programs.bench.lists

The workers are not there: their scripts are, with as many rows, leases and lists as a fleet of that size has. The last
columns are what it would cost if each worker counted every list and read every row for each of its samples, and if each
tried to acquire every list after a worker has died.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.monitor.history import PERIOD
from forwarder.monitor.watch import SAMPLED
from forwarder.queue.about import About, Silence
from forwarder.queue.fleet import Fleet
from forwarder.queue.keys import Keys
from forwarder.queue.lease import Lease
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from tests.support.commandstats import cpu

FLEETS = ((8, 64), (100, 1_000), (1_000, 1_000))
#: What a worker says of itself during an outage: the most that there is to say.
_ABOUT = About(
    "ip-10-0-12-34.ec2.internal:1234",
    "0.2.0",
    86_400.1,
    "delivering",
    "",
    8,
    0.0,
    3_600.1,
    Silence(123.4, "timeout", 12.3, outage=True),
    (60, 100),
)
#: Seconds of work for each figure.
_SECONDS = 0.7
_HEAD = (
    "| workers | lists | a heartbeat, ms | heartbeats, % | counts, % | halts, % | sum, % | a search, ms "
    "| each counts all, % | tries all, ms |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


@dataclass
class Costs:
    """Seconds of Redis' thread for one of each."""

    heartbeat: float
    count: float
    read: float
    halt: float
    orders: float
    search: float
    rows: float
    attempt: float

    def line(self, workers: int, lists: int) -> str:
        """A row of the table. Percentages are of the one thread that runs commands."""
        beats = self.heartbeat * workers / max(1.0, workers / 100)
        halts = self.orders * workers
        counts = (self.count + (workers - 1) * (self.read + self.halt)) / PERIOD
        before = workers * (self.count + self.rows + self.halt) / PERIOD
        shares = (f"{100 * part:,.1f}" for part in (beats, counts, halts, beats + counts + halts))
        others = (f"{1e3 * self.search:.2f}", f"{100 * before:,.1f}", f"{1e3 * lists * self.attempt:.1f}")
        return f"| {workers:,} | {lists:,} | {1e3 * self.heartbeat:.2f} | {' | '.join((*shares, *others))} |"


async def measured(redis: Redis, work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of Redis' CPU that one call costs."""
    await work()
    before, begun, times = await cpu(redis), time.monotonic(), 0
    while time.monotonic() - begun < _SECONDS:
        await work()
        times += 1
    return (await cpu(redis) - before) / times


async def costs(redis: Redis, workers: int, lists: int) -> Costs:
    """Fills an empty Redis as such a fleet does, and measures."""
    queue = Queue(redis, "events", lists)
    fleet = [Fleet(redis, "events", lists, name=f"host-{n}:1", remembered=60) for n in range(workers)]
    for worker in fleet:
        await worker.attend(120.0, 0.1, 0.1, 0, about=_ABOUT)
    for shard in range(lists):
        await queue.lease(shard, ttl=600, owner=fleet[shard % workers].id, clock=time.monotonic).acquire()
        await redis.set(Keys("events", shard, of=lists).accepted, 10_000_000)
    await queue.counted(0)
    another = Lease(redis, Keys("events", 0, of=lists), ttl=1)
    return Costs(
        heartbeat=await measured(redis, lambda: fleet[0].attend(120.0, 0.1, 0.1, 0, about=_ABOUT)),
        count=await measured(redis, lambda: queue.counted(0)),
        read=await measured(redis, lambda: queue.counted(60)),
        halt=await measured(redis, queue.halt),
        orders=await measured(redis, queue.orders),
        search=await measured(redis, lambda: queue.free(range(lists))),
        rows=await measured(redis, queue.workers),
        attempt=await measured(redis, another.acquire),
    )


async def main() -> None:
    """Prints the table."""
    print(f"A sample every {PERIOD:g} s may be {SAMPLED:g} s old. Percentages are of Redis' thread.\n\n{_HEAD}")
    for workers, lists in FLEETS:
        with EmbeddedRedis() as server:
            async with connect(server.url) as redis:
                print((await costs(redis, workers, lists)).line(workers, lists), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
