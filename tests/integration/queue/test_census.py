"""The counts of a list, on every Redis there is."""

import pytest
from redis.asyncio import Redis

from forwarder.queue.census import Census
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue, QueueList
from tests.support.commandstats import calls


@pytest.fixture
def keys(queue_name: str) -> Keys:
    return Keys(queue_name)


@pytest.fixture
def one(redis: Redis, keys: Keys) -> QueueList:
    return QueueList(redis, keys)


async def test_an_empty_queue_counts_nothing(one: QueueList) -> None:
    now = await one.census()
    assert now == Census(0, 0, None, -2, 0, 0, 0, 0, 0, 0, 0)
    assert set(now.imbalances.values()) == {0}


async def test_the_census_counts_each_thing_by_its_name(redis: Redis, keys: Keys, one: QueueList) -> None:
    await redis.rpush(keys.list, b"1")
    await redis.hset(keys.claimed, mapping={"1-1": b"", "2-1": b""})
    await redis.set(keys.lease, "token", px=60_000)
    counters = (keys.sequence, keys.settlement, keys.accepted, keys.dead_lettered, keys.replayed, keys.deleted)
    for value, key in enumerate(counters, start=20):
        await redis.set(key, value)
    await redis.xadd(keys.dead, {"element": b""})
    now = await one.census()
    assert 50_000 < now.lease_milliseconds <= 60_000
    assert now == Census(1, 2, "token", now.lease_milliseconds, 20, 21, 22, 23, 24, 25, 1)
    assert list(now.imbalances.values()) == [20 - 22 - 23 - 2, 1 - 23 + 24 + 25]


async def test_each_server_is_asked_once_how_full_it_is(redis: Redis, queue_name: str) -> None:
    before = await calls(redis, "info")
    memory = await Queue(redis, queue_name, 8).memory()
    assert await calls(redis, "info") - before == 2, "one of them is of this test"
    assert 0 < memory.part < 1


async def test_the_server_says_what_it_is(one: QueueList) -> None:
    info = await one.server()
    assert "redis_version" in info
    assert info["maxmemory_policy"] == "noeviction"
