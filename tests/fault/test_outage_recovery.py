"""The API is well again: how long until the first event is accepted, and the last one."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest

from forwarder.operations.retry import request_retry
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import list_name, shard_of
from forwarder.simulator import Answer, Faults
from tests.support.faults import fault
from tests.support.service import event, eventually, running
from tests.support.world import World

DOWN = Faults(status_all=Answer(status=503))
#: Seconds for which the API decides nothing, in the long test.
FOR = 8.0


@fault(
    "API",
    "it answers 503, then well, and a person runs `forwarder retry`",
    "each worker tries within a second, and all events follow",
    keeps=(1, 2, 6),
)
async def test_a_fleet_tries_now_when_a_person_asks_for_it(world: World) -> None:
    """By themselves the workers would pause for half a minute, and so would the users."""
    users = [next(user for user in (f"u{n}-{i}" for i in range(99)) if shard_of(user, 2) == n % 2) for n in range(10)]
    for n in range(30):
        await world.redis.rpush(list_name(world.queue, shard_of(users[n % 10], 2), 2), event(users[n % 10], n))
    world.api.faults = DOWN
    given = world.settings(shards=2, retry_initial=30.0, retry_max=60.0)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(running(given))
        await eventually(lambda: len(world.api.ledger.requests) >= 6, what="both workers notice the outage")
        await asyncio.sleep(0.2)
        world.api.faults = Faults()
        well = time.monotonic()
        asked = await request_retry(Queue(world.redis, world.queue, 2))
        assert asked.sentence == "2 workers try now."
        await eventually(lambda: world.api.ledger.accepted_events == 30, within=10)
        assert time.monotonic() - well < 3
    for user in users:
        sent = [json.loads(each)["n"] for each in world.api.ledger.events(user)]
        assert sent == sorted(sent)
    for each in Queue(world.redis, world.queue, 2).lists:
        assert (await each.census()).letters == 0


@pytest.mark.long
@pytest.mark.parametrize("how", ["by itself", "a person asks for it"])
@pytest.mark.parametrize("users", [2, 20])
@fault(
    "API",
    "it answers 503 for a while, then well",
    "the next probe is accepted, and the others follow within seconds",
    keeps=(1, 6),
)
async def test_when_the_api_is_well_again_everything_is_sent_within_seconds(world: World, users: int, how: str) -> None:
    await world.push(*[event(f"u{n}", n) for n in range(users)])
    world.api.faults = DOWN
    async with world.service(retry_initial=0.5, retry_max=8.0) as service:
        await eventually(lambda: world.api.ledger.requests, what="the first POST")
        await asyncio.sleep(FOR)
        await service.shows(f"forwarder_api_outage {float(users > 2)}")
        world.api.faults = Faults()
        well = time.monotonic()
        if how != "by itself":
            assert (await request_retry(Queue(world.redis, world.queue, 1))).workers == 1
        await eventually(lambda: world.api.ledger.accepted_events, within=10)
        first = time.monotonic() - well
        await eventually(lambda: world.api.ledger.accepted_events == users, within=20)
        last = time.monotonic() - well
    print(f"{users} users, {how}: the first event after {first:.1f} s, the last after {last:.1f} s")
    assert last - first < 2
    assert first < (9 if how == "by itself" else 2)
    assert (await world.census()).letters == 0
