"""A connection to Redis that loses replies, is cut, or goes dark."""

import random
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.servers.proxy import Proxy
from tests.support.service import WorkerProcess, event, eventually, fetch, port_of, settings, settled

Start = Callable[[Settings], WorkerProcess]


@pytest.mark.long
@fault(
    "connection",
    "one reply in three to a script is lost",
    "the script is sent again, and its reply is the same",
    keeps=(1, 2, 3),
)
async def test_lost_replies_double_nothing_as_every_script_is_safe_to_run_twice(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    api.faults = Faults(latency=0.002)
    pushed = [event(f"u{n % 400}", n) for n in range(8_000)]
    await redis_client.rpush(queue_name, *pushed)
    async with Proxy(port_of(redis_server.url)) as proxy:
        proxy.loses = lambda _: dice.random() < 0.3
        worker(settings(proxy.url, queue_name, api, max_events_per_post=4, max_buffered_events=1_000, lease_ttl=20.0))
        await settled(redis_client, queue_name, within=60)
        assert proxy.lost > 5, "or nothing was shown"
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


@fault("connection", "cut repeatedly (RST)", "the worker reconnects; nothing is sent twice", keeps=(1, 2, 3))
async def test_a_cut_connection_is_made_again_and_nothing_doubles(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    pushed = [event(f"u{n % 400}", n) for n in range(6_000)]
    await redis_client.rpush(queue_name, *pushed)
    async with Proxy(port_of(redis_server.url)) as proxy:
        worker(settings(proxy.url, queue_name, api, max_events_per_post=4, concurrency=16))
        for least in range(500, 5_000, 500):

            def so_many(least: int = least) -> bool:
                return api.ledger.accepted_events >= least

            await eventually(so_many)
            proxy.cut()
        await settled(redis_client, queue_name, within=60)
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


@pytest.mark.long
@fault(
    "connection",
    "stays open, but nothing comes through",
    "POSTs stop, `/readyz` says so, and the worker continues afterwards",
    keeps=(1, 2, 3),
)
async def test_in_the_dark_posts_stop_within_a_second_and_readiness_tells(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    pushed = [event(f"u{n % 400}", n) for n in range(6_000)]
    await redis_client.rpush(queue_name, *pushed)
    async with Proxy(port_of(redis_server.url)) as proxy:
        process = worker(settings(proxy.url, queue_name, api, max_events_per_post=2, concurrency=8, lease_ttl=30.0))
        admin = await process.admin()
        await eventually(lambda: api.ledger.accepted_events > 500)
        proxy.black_hole = True

        async def unready() -> bool:
            return (await fetch(admin + "/readyz"))[0] == 503

        await eventually(unready, within=15, what="a command is given up after five seconds")
        before = api.ledger.accepted_events
        assert before < 6_000
        proxy.black_hole = False
        proxy.cut()
        await settled(redis_client, queue_name, within=60)
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


@fault(
    "Redis",
    "it forgets its scripts and closes its connections (`SCRIPT FLUSH`, `CLIENT KILL`)",
    "the scripts are sent again",
    keeps=(1, 2, 3),
)
async def test_a_forgotten_script_is_sent_again(
    redis_client: Redis, queue_name: str, own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start
) -> None:
    server = own_redis(port=None)
    api.faults = Faults(latency=0.005)
    pushed = [event(f"u{n % 200}", n) for n in range(3_000)]
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue_name, *pushed)
        worker(settings(server.url, queue_name, api, max_events_per_post=3))
        for least in (300, 900, 1_500):

            def so_many(least: int = least) -> bool:
                return api.ledger.accepted_events >= least

            await eventually(so_many)
            await redis.script_flush()
            await redis.client_kill_filter(_type="normal", skipme=True)
        await settled(redis, queue_name)
        verdict = check(await observed(pushed, api, redis, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])
