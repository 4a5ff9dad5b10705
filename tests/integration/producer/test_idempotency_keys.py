"""Pushes with an idempotency key: what is pushed again under the same key is not pushed twice."""

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis as Blocking
from redis.asyncio import Redis

from forwarder import KeyReusedError, NotPushedError, QueueFullError, RedisFullError
from forwarder.demo.redis_server import EmbeddedRedis
from tests.support.producers import KINDS, Kind, connected
from tests.support.servers.proxy import Proxy
from tests.support.service import event, port_of

pytestmark = pytest.mark.parametrize("kind", KINDS)

DAY = 86_400_000


async def test_the_same_push_again_pushes_nothing(
    kind: Kind, each_server: EmbeddedRedis, queue_name: str, tmp_path: Any
) -> None:
    marker = f"{{{queue_name}}}:pushed:order-1017-paid"
    async with kind(each_server.url, queue=queue_name) as producer, connected(each_server) as redis:
        for _ in range(3):
            await producer.push("u", "paid", idempotency_key="order-1017-paid")
        assert await redis.llen(queue_name) == 1, "although each push adds another date"
        assert DAY - 60_000 < await redis.pttl(marker) <= DAY
        subprocess.run([sys.executable, "-c", _ANOTHER_PROCESS, each_server.url, queue_name], check=True)
        assert await redis.llen(queue_name) == 1
        await producer.push("u", "paid", idempotency_key="order-1018-paid")
        await producer.push("u", "paid")
        assert await redis.llen(queue_name) == 3


_ANOTHER_PROCESS = """
import sys
from forwarder import SyncProducer

with SyncProducer(sys.argv[1], queue=sys.argv[2]) as producer:
    producer.push("u", "paid", idempotency_key="order-1017-paid")
"""


async def test_other_events_under_the_same_key_are_refused(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with kind(redis_url, queue=queue_name) as producer:
        await producer.push_many([event("u", 1), event("u", 2)], idempotency_key="key")
        for others in ([event("u", 1), event("u", 3)], [event("u", 1)], [event("u", 2), event("u", 1)]):
            with pytest.raises(KeyReusedError, match="not pushed: this idempotency key was used for other") as refused:
                await producer.push_many(others, idempotency_key="key")
            assert refused.value.not_pushed == tuple(range(len(others)))
    assert await redis_client.lrange(queue_name, 0, -1) == [event("u", 1), event("u", 2)]


@pytest.mark.parametrize("shards", [1, 4])
async def test_a_push_of_many_commands_to_many_lists_goes_on_where_it_ended(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str, shards: int
) -> None:
    events = [event(f"u-{number % 17}", number) for number in range(2_200)]
    names = [queue_name] if shards == 1 else [f"{queue_name}:{shard}" for shard in range(shards)]
    async with kind(redis_url, queue=queue_name, shards=shards, max_waiting=700 // shards) as producer:
        refusals = 0
        there: list[Any] = []
        while True:
            try:
                await producer.push_many(events, idempotency_key="key")
                break
            except QueueFullError:
                refusals += 1
            for name in names:  # a worker takes them
                there += await redis_client.lrange(name, 0, -1)
                await redis_client.delete(name)
        for name in names:
            there += await redis_client.lrange(name, 0, -1)
    assert refusals >= 3
    assert sorted(there) == sorted(events)
    for user in range(17):
        mine = [each for each in events if b'"u-%d"' % user in each]
        assert [each for each in there if each in set(mine)] == mine


@pytest.mark.parametrize(("before", "after"), [(4, 3), (4, 8)])
async def test_after_a_resharding_nothing_of_a_push_that_was_half_done_is_left_out(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str, before: int, after: int
) -> None:
    """The lists have the same names, but other users: what was counted before says nothing of them."""
    events = [event(f"u-{number}", number) for number in range(40)]
    async with kind(redis_url, queue=queue_name, shards=before, max_waiting=3) as producer:
        with pytest.raises(QueueFullError):
            await producer.push_many(events, idempotency_key="key")
    await redis_client.delete(*[f"{queue_name}:{shard}" for shard in range(before)])
    async with kind(redis_url, queue=queue_name, shards=after) as producer:
        for _ in range(2):
            await producer.push_many(events, idempotency_key="key")
    there = [each for shard in range(after) for each in await redis_client.lrange(f"{queue_name}:{shard}", 0, -1)]
    assert sorted(there) == sorted(events)


async def test_what_a_full_redis_refused_is_pushed_later(kind: Kind, own_redis: Callable[..., EmbeddedRedis]) -> None:
    server = own_redis(port=None)
    async with kind(server.url) as producer, connected(server) as redis:
        await producer.push_many([event("u", 1)], idempotency_key="one")
        await redis.config_set("maxmemory", 1)
        await producer.push_many([event("u", 1)], idempotency_key="one")
        with pytest.raises(RedisFullError):
            await producer.push_many([event("u", 2)], idempotency_key="two")
        await redis.config_set("maxmemory", 0)
        await producer.push_many([event("u", 2)], idempotency_key="two")
        assert await redis.lrange("events", 0, -1) == [event("u", 1), event("u", 2)]


async def test_how_long_a_key_is_remembered_can_be_chosen(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with kind(redis_url, queue=queue_name, remember_for=3_600, retry_for=0) as producer:
        await producer.push("u", "n")
        assert await redis_client.keys(f"{{{queue_name}}}:*") == [], "nothing is repeated, so nothing is remembered"
        await producer.push("u", "n", idempotency_key="key")
        assert 3_500_000 < await redis_client.pttl(f"{{{queue_name}}}:pushed:key") <= 3_600_000


async def test_a_key_that_is_none_pushes_nothing(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with kind(redis_url, queue=queue_name) as producer:
        for key in ("", "x" * 201):
            with pytest.raises(ValueError, match="idempotency_key: must be 1 to 200 bytes"):
                await producer.push("u", "n", idempotency_key=key)
    assert await redis_client.exists(queue_name) == 0


async def test_a_push_whose_earlier_part_redis_has_forgotten_ends_with_an_error(
    kind: Kind, redis_url: str, queue_name: str
) -> None:
    """As after a failover to a replica that did not have it yet."""
    commands = 0

    def forgotten(data: bytes) -> bool:
        nonlocal commands
        commands += b"RPUSH" in data
        if b"RPUSH" in data and commands == 2:
            redis.delete(f"{{{queue_name}}}:pushed:key")
        return False

    with Blocking.from_url(redis_url) as redis:
        async with Proxy(port_of(redis_url)) as proxy, kind(proxy.url, queue=queue_name) as producer:
            proxy.loses_reply_to = forgotten
            with pytest.raises(NotPushedError, match="1,000 pushed, 10 not pushed: Redis has forgotten the earlier"):
                await producer.push_many([event("u", number) for number in range(1_010)], idempotency_key="key")
        assert redis.llen(queue_name) == 1_000


@pytest.mark.parametrize("lacking", ["+evalsha", "+setnx", "marker"])
async def test_without_the_rights_it_pushes_as_before_and_says_so_once(
    kind: Kind, redis_server: EmbeddedRedis, queue_name: str, caplog: pytest.LogCaptureFixture, lacking: str
) -> None:
    keys = {"list": f"~{queue_name}", "shards": f"~{{{queue_name}}}:shards", "marker": f"~{{{queue_name}}}:pushed:*"}
    rights = ["+client|setname", "+get", "+rpush", "+evalsha", "+eval", "+setnx", "+getex", "+incrby"]
    words = [word for word in rights if word != lacking] + [key for name, key in keys.items() if name != lacking]
    user = f"producer-{queue_name}"
    async with connected(redis_server) as redis:
        await redis.execute_command("ACL", "SETUSER", user, "reset", "on", ">secret", "-@all", *words)  # type: ignore[no-untyped-call]
        url = redis_server.url.replace("redis://", f"redis://{user}:secret@")
        async with kind(url, queue=queue_name) as producer:
            with caplog.at_level(logging.WARNING, "forwarder.producer"):
                await producer.push_many([event("u", 1)])
                await producer.push_many([event("u", 2)])
            with pytest.raises(NotPushedError, match=r"1 not pushed: .*idempotency key needs.*deploy/producers.md"):
                await producer.push_many([event("u", 3)], idempotency_key="key")
        assert await redis.lrange(queue_name, 0, -1) == [event("u", 1), event("u", 2)]
        await redis.execute_command("ACL", "DELUSER", user)  # type: ignore[no-untyped-call]
    [said] = [record.getMessage() for record in caplog.records if record.name == "forwarder.producer"]
    assert said.startswith("pushing without the script that makes it safe to repeat a push: ")
    assert "deploy/producers.md" in said
