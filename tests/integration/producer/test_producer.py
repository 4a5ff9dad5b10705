"""The producers that backends import, against each kind of Redis: what is pushed, where, and what is refused."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from redis.asyncio import Redis

from forwarder import (
    ConfigurationError,
    Durability,
    InvalidEventError,
    NotPushedError,
    QueueFullError,
)
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.event import decode
from forwarder.queue.sharding import shard_of
from tests.support.producers import KINDS, Kind, connected
from tests.support.service import event, free_port

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def waiting(redis: Redis, queue: str) -> list[dict[str, Any]]:
    return [json.loads(element) for element in await redis.lrange(queue, 0, -1)]


async def test_an_event_is_pushed_as_the_contract_says(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    async with kind(redis_url, queue=queue_name) as producer:
        await producer.push("u-1", "purchase", vars={"cds": 2, "é": "\ud83d"})
        await producer.push(42, "visit", datetime(2016, 9, 11, 20, 4, 23, tzinfo=timezone(timedelta(hours=2))))
        await producer.push(user_id="u-1", name="visit", date="2016-09-11")
    found: list[Any] = await redis_client.lrange(queue_name, 0, -1)
    first, *others = found
    members = json.loads(first)
    assert list(members) == ["user_id", "name", "date", "vars"]
    assert before <= datetime.fromisoformat(members["date"]) <= datetime.now(UTC)
    assert members["vars"] == {"cds": 2, "é": "\ud83d"}
    assert others == [
        b'{"user_id":"42","name":"visit","date":"2016-09-11T18:04:23Z"}',
        b'{"user_id":"u-1","name":"visit","date":"2016-09-11"}',
    ]
    assert decode(first, max_bytes=1_000).user == "u-1"


@pytest.mark.parametrize("shards", [1, 4])
async def test_many_are_on_the_lists_of_their_users_in_order(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str, shards: int
) -> None:
    elements = [event(f"u-{number % 17}", number) for number in range(6_000)]
    async with kind(redis_url, queue=queue_name, shards=shards) as producer:
        await producer.push_many(iter(elements))
        await producer.push_many([])
    names = [queue_name] if shards == 1 else [f"{queue_name}:{shard}" for shard in range(shards)]
    for shard, name in enumerate(names):
        mine = [element for element in elements if shard_of(json.loads(element)["user_id"], shards) == shard]
        assert mine, shard
        assert await redis_client.lrange(name, 0, -1) == mine
    assert await redis_client.exists(f"{{{queue_name}}}:shards") == 0


async def test_events_too_large_for_one_command_go_in_several(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    elements = [event("u", number, text="x" * 1_000_000) for number in range(10)]
    async with kind(redis_url, queue=queue_name, max_event_bytes=2_000_000) as producer:
        await producer.push_many(elements)
    assert await redis_client.lrange(queue_name, 0, -1) == elements


async def test_workers_that_consume_from_the_right_are_served(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    for most in (None, 1_000):
        async with kind(redis_url, queue=queue_name, consume_from="right", max_waiting=most) as producer:
            await producer.push_many([event("u", 0), event("u", 1)])
            await producer.push_many([event("u", 2)])
        assert [each["n"] for each in await waiting(redis_client, queue_name)] == [2, 1, 0]
        await redis_client.delete(queue_name)


async def test_another_number_of_shards_is_refused_before_anything_is_pushed(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    key = f"{{{queue_name}}}:shards"
    await redis_client.set(key, "4")
    async with kind(redis_url, queue=queue_name) as producer:
        with pytest.raises(
            ConfigurationError,
            match=r"has shards=1, but the Redis key .* says 4: set shards=4 \(FORWARDER_SHARDS\)",
        ):
            await producer.push("u", "n")
        assert await redis_client.keys(f"*{queue_name}*") == [key.encode()]
        await redis_client.set(key, "1")
        await producer.push("u", "n")
        assert await redis_client.llen(queue_name) == 1
    await redis_client.delete(key)
    await redis_client.rpush(key, "x")
    async with kind(redis_url, queue=queue_name) as producer:
        with pytest.raises(NotPushedError, match=r"cannot read .*:shards.*WRONGTYPE"):
            await producer.push("u", "n")


async def test_one_invalid_event_keeps_all_from_being_pushed(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async with kind(redis_url, queue=queue_name, max_event_bytes=200) as producer:
        with pytest.raises(InvalidEventError, match=r"3 not pushed: event 1: name: missing .and 1 more") as invalid:
            await producer.push_many([event("u", 0), {"user_id": "u"}, event("u", 1, text="x" * 200)])
        with pytest.raises(InvalidEventError, match=r"^1 not pushed: date: a datetime without a time zone"):
            await producer.push("u", "n", datetime(2016, 9, 11, 18, 4, 23))  # noqa: DTZ001
    assert [position for position, _ in invalid.value.problems] == [1, 2]
    assert (invalid.value.not_pushed, invalid.value.pushed, invalid.value.uncertain) == ((0, 1, 2), (), ())
    assert await redis_client.exists(queue_name) == 0


async def test_as_many_are_pushed_as_there_is_room_for(kind: Kind, each_server: EmbeddedRedis, queue_name: str) -> None:
    async with kind(each_server.url, queue=queue_name, max_waiting=1_500) as producer, connected(each_server) as redis:
        events = [event("u", number) for number in range(2_500)]
        with pytest.raises(QueueFullError, match="1,500 pushed, 1,000 not pushed: 1,500 events wait") as full:
            await producer.push_many(events)
        assert await redis.lrange(queue_name, 0, -1) == events[:1_500]
        assert (full.value.pushed, full.value.not_pushed) == (tuple(range(1_500)), tuple(range(1_500, 2_500)))
        await redis.ltrim(queue_name, 1_000, -1)
        await producer.push_many([events[position] for position in full.value.not_pushed])
        assert await redis.lrange(queue_name, 0, -1) == events[1_000:]


async def test_the_bound_is_exact_for_producers_that_push_at_once(
    kind: Kind, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    async def pushed(producer: Any, user: int) -> int:
        try:
            await producer.push_many([event(user, number) for number in range(7)])
        except QueueFullError as error:
            return len(error.pushed)
        return 7

    async with (
        kind(redis_url, queue=queue_name, max_waiting=50) as one,
        kind(redis_url, queue=queue_name, max_waiting=50) as other,
    ):
        counts = await asyncio.gather(*(pushed(producer, user) for user in range(10) for producer in (one, other)))
    assert (sum(counts), await redis_client.llen(queue_name)) == (50, 50)


async def test_a_connection_that_was_closed_meanwhile_is_no_trouble(
    kind: Kind, own_redis: Callable[..., EmbeddedRedis]
) -> None:
    server = own_redis(port=None)
    async with kind(server.url) as producer, connected(server) as redis:
        for number in range(5):
            await producer.push_many([event("u", number)])
            assert await redis.client_kill_filter(skipme=True) >= 1
        assert await redis.llen("events") == 5


async def test_a_redis_that_is_not_there_got_nothing(kind: Kind) -> None:
    async with kind(f"redis://:pass-word@127.0.0.1:{free_port()}/0", retry_for=0.1) as producer:
        with pytest.raises(
            NotPushedError, match=r"^2 not pushed: .*(refused the connection|there is no socket)"
        ) as refused:
            await producer.push_many([event("u", 0), event("u", 1)])
    assert (refused.value.not_pushed, "pass-word" in str(refused.value)) == ((0, 1), False)


async def test_a_host_name_that_cannot_be_got_nothing(kind: Kind) -> None:
    async with kind(f"redis://{'x' * 64}.example/0") as producer:
        with pytest.raises(NotPushedError, match=r"^1 not pushed: "):
            await producer.push_many([event("u", 0)])


async def test_a_key_of_another_type_and_a_wrong_password_are_refusals(
    kind: Kind, own_redis: Callable[..., EmbeddedRedis]
) -> None:
    server = own_redis(port=None)
    async with connected(server) as redis, kind(server.url) as producer:
        await producer.push("u", "n")
        await redis.set("events", "x")
        with pytest.raises(NotPushedError, match=r"^1 not pushed: .*WRONGTYPE"):
            await producer.push("u", "n")
        await redis.delete("events")
        await redis.config_set("requirepass", "pass-word")
        await redis.client_kill_filter(skipme=True)
        with pytest.raises(NotPushedError, match=r"^1 not pushed: .*Authentication required"):
            await producer.push("u", "n")
        assert await redis.exists("events") == 0


async def test_a_replica_and_a_busy_redis_refuse(kind: Kind, own_redis: Callable[..., EmbeddedRedis]) -> None:
    server = own_redis(port=None)
    async with connected(server) as redis, kind(server.url, retry_for=0.1) as producer:
        await producer.push("u", "n")
        await redis.replicaof("127.0.0.1", free_port())
        with pytest.raises(NotPushedError, match=r"^1 not pushed: this Redis is a replica"):
            await producer.push("u", "n")
        await redis.replicaof("NO", "ONE")
        await producer.push("u", "n")
        await redis.config_set("min-replicas-to-write", 1)
        with pytest.raises(NotPushedError, match=r"^1 not pushed: .*NOREPLICAS"):
            await producer.push("u", "n")
        assert await redis.llen("events") == 2


async def test_a_redis_that_quotes_the_events_it_does_not_understand_is_not_quoted(
    kind: Kind, own_redis: Callable[..., EmbeddedRedis]
) -> None:
    """Redis names the first arguments of a command that it does not know."""
    server = own_redis(port=None, arguments=["--rename-command", "RPUSH", ""])
    async with kind(server.url) as producer:
        with pytest.raises(NotPushedError, match="unknown command") as refused:
            await producer.push("alice@example.com", "n")
    assert "alice" not in str(refused.value)


async def test_a_closed_producer_pushes_no_more(kind: Kind, redis_url: str) -> None:
    async with kind(redis_url) as producer:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await producer.push("u", "n")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "http://x"}, "url: must be redis://"),
        ({"queue": "a b"}, "queue: must be printable"),
        ({"queue": "{a}"}, "queue: must be printable"),
        ({"shards": 0}, "shards: 0 is not from 1 to "),
        ({"shards": "4"}, "shards: '4' is not a number from 1 to "),
        ({"consume_from": "top"}, "consume_from: 'top' is not left or right; example: left"),
        ({"max_waiting": 0}, "max_waiting: 0 is not at least 1; example: 1000000"),
        ({"max_event_bytes": 0}, "max_event_bytes: 0 is not at least 1; example: 65536"),
        ({"durability": Durability(replicas=-1)}, "durability: replicas: -1 is not at least 0; example: 1"),
        (
            {"durability": Durability(within=float("nan"))},
            "durability: within: nan is not from 0.001 to 60 sec",
        ),
    ],
)
def test_wrong_arguments_are_refused_when_the_producer_is_made(kind: Kind, options: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        kind(**options)
