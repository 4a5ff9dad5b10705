"""Producers that wait until their events are on replicas, or in the append-only file."""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder import ConfigurationError, Durability, NotDurableError
from forwarder.demo.redis_server import EmbeddedRedis, version_of
from tests.support.producers import KINDS, Kind, connected
from tests.support.service import event, free_port

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def test_a_push_that_no_replica_has_says_that_it_was_pushed(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with kind(redis_url, queue=queue_name, durability=Durability(replicas=1, within=0.01)) as producer:
        with pytest.raises(NotDurableError, match=r"^1 pushed: on 0 of 1 replicas within 0.01 s$"):
            await producer.push("u", "n")
        with pytest.raises(NotDurableError, match="1,000 pushed, 5 not pushed") as missing:
            await producer.push_many([event("u", number) for number in range(1_005)])
    assert missing.value.pushed == tuple(range(1_000))
    assert await redis_client.llen(queue_name) == 1_001


async def test_a_push_waits_for_its_replicas(kind: Kind, own_redis: Callable[..., EmbeddedRedis]) -> None:
    port = free_port()
    master = own_redis(port=port)
    own_redis(port=None, arguments=["--replicaof", "127.0.0.1", str(port)])
    async with connected(master) as redis:
        async with asyncio.timeout(30):
            while not await redis.wait(1, 100):
                pass
        async with kind(master.url, durability=Durability(replicas=1, within=20)) as producer:
            await producer.push_many([event("u", number) for number in range(2_000)])
        # As soon as the push has returned, without waiting any more.
        assert (await redis.info("commandstats"))["cmdstat_wait"]["calls"] >= 3
        assert await redis.llen("events") == 2_000


@pytest.mark.parametrize("appendonly", [True, False])
async def test_a_push_waits_for_the_append_only_file_where_there_is_one(
    kind: Kind, each_server: EmbeddedRedis, own_redis: Callable[..., EmbeddedRedis], *, appendonly: bool
) -> None:
    server = own_redis(
        port=None, server=each_server._server, appendonly=appendonly, arguments=["--appendfsync", "always"]
    )
    version = version_of(server._server)
    assert version
    able = version.numbers >= (7, 2) and appendonly
    async with kind(server.url, durability=Durability(aof=True)) as producer, connected(server) as redis:
        if able:
            await producer.push("u", "n")
        else:
            with pytest.raises(
                ConfigurationError, match=r"this Redis does not support durability with aof=True: .*WAITAOF"
            ):
                await producer.push("u", "n")
        assert await redis.llen("events") == able
    if able:
        async with kind(server.url, durability=Durability(aof=True, replicas=2, within=0.5)) as producer:
            with pytest.raises(NotDurableError, match=r"^1 pushed: on 0 of 2 replicas"):
                await producer.push("u", "n")
