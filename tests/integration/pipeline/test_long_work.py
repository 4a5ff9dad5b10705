"""Nothing that a worker does keeps its event loop busy for long, and IDs of claimed events take little memory."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.event import decode
from forwarder.queue.keys import Keys
from forwarder.simulator import Faults, UserAnswer
from tests.support.claims import owner
from tests.support.faults import fault
from tests.support.world import World

#: Claims of one event each, as a worker makes them while little comes.
#: KEYS: claimed, sequence. ARGV: number of the first one, number of the last one, how many users they are of.
CLAIM_ONE_BY_ONE = """
for i = ARGV[1], ARGV[2] do
  local element = '{"user_id":"u' .. i % ARGV[3] .. '","name":"n","date":"2016-09-11T18:04:23Z","n":' .. i .. '}'
  redis.call('HSET', KEYS[1], string.format('%.0f-%.0f', i, 1700000000000000 + i * 1000), element)
end
redis.call('SET', KEYS[2], ARGV[2])
"""


async def claim_one_by_one(redis: Redis, queue: str, events: int, *, users: int) -> None:
    keys = Keys(queue)
    for first in range(1, events + 1, 10_000):
        await redis.eval(CLAIM_ONE_BY_ONE, 2, keys.claimed, keys.sequence, first, first + 9_999, users)


#: Seconds that a step of the event loop may take. On an idle machine it is a third of that.
LONGEST = 0.05


class Steps:
    """The longest step of the event loop, in seconds of this thread's processor time: other processes do not count."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


@asynccontextmanager
async def steps() -> AsyncIterator[Steps]:
    watched = Steps()
    gc.collect()
    gc.freeze()  # as `forwarder run` does: what the tests hold is no garbage
    task = asyncio.create_task(watched.watch())
    try:
        yield watched
    finally:
        task.cancel()
        gc.unfreeze()
        print(f"longest step {watched.longest * 1e3:.1f} ms")


@pytest.mark.long
@fault(
    "input",
    "elements that are slow to decode, a whole claim of them",
    "other work goes on in between: probes are answered, leases renewed",
    keeps=(2,),
)
async def test_slow_elements_leave_the_event_loop_to_others_in_between(world: World) -> None:
    piece = b'"%s%03d":1'
    long_members = b",".join(piece % (b"\\n" * 25, number) for number in range(990))
    element = b'{"user_id":"u","name":"n","s":"\\ud83d",' + long_members + b"}"
    begun = time.thread_time()
    for _ in range(5):
        decode(element, stamp=1_700_000_000_000_000, max_bytes=65_536)
    one = (time.thread_time() - begun) / 5
    await world.push(*[element] * 60)
    async with steps() as watched, world.service(max_events_per_post=5):
        await world.settled()
    print(f"one element {one * 1e3:.1f} ms")
    assert watched.longest < 0.02 + 10 * one, "not all 60 in a row"


async def test_scanning_what_is_claimed_takes_no_long_step_and_little_memory(world: World) -> None:
    events = 20_000
    await claim_one_by_one(world.redis, world.queue, events, users=100)
    claims = await owner(world.redis, Keys(world.queue), ttl=60.0)
    async with steps() as watched:
        ids = await claims.claimed_fields()
        numbers = []
        while ids:
            numbers += [number for number, _ in ids.take(1_000)]
            await asyncio.sleep(0)
    assert numbers == list(range(1, events + 1))
    assert watched.longest < LONGEST
    tracemalloc.start()
    try:
        ids = await claims.claimed_fields()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ids
    assert held < 35 * events, "20 bytes for each, and the pages"


@pytest.mark.long
@fault(
    "process",
    "it was killed when 300,000 events were claimed, each by a claim of its own",
    "the next owner adopts them, with little memory and no long step of the event loop",
    keeps=(1, 7),
)
async def test_many_claims_of_one_event_each_are_adopted_with_little_memory(world: World) -> None:
    events = 300_000
    await claim_one_by_one(world.redis, world.queue, events, users=1)
    world.api.faults = Faults(users={"u0": UserAnswer(status=503)})
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = memory("VmRSS")
    async with steps() as watched, world.service(lease_ttl=60.0, retry_max=60.0) as service:
        await service.shows(f"forwarder_events_adopted_total {events:.1f}", within=25)
        world.api.faults = Faults()
    grown = memory("VmHWM") - before
    print(f"{grown / events:.0f} bytes for each event")
    assert watched.longest < LONGEST
    assert grown < 100_000_000
    assert (await world.census()).claimed <= events


def memory(name: str) -> int:
    """Bytes, of this process (proc(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith(name)))
