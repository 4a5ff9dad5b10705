"""Workers that die, freeze or hand over, and a Redis that freezes or restarts, under load."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Simulator, UserAnswer
from tests.support.faults import fault
from tests.support.service import (
    WorkerProcess,
    accepted,
    by_user,
    census,
    event,
    eventually,
    fetch,
    settings,
    settled,
)

Start = Callable[[Settings], WorkerProcess]


def in_order(got: dict[str, list[int]], pushed: dict[str, list[int]]) -> bool:
    """Whether each user's events were first accepted in the order they were pushed, and all of them."""
    return {user: list(dict.fromkeys(numbers)) for user, numbers in got.items()} == pushed


def quiet(api: Simulator) -> bool:
    """Whether no request has arrived for a second and a half."""
    requests = api.ledger.requests
    return bool(requests) and api._clock() - requests[-1].at > 1.5


@fault(
    "process",
    "the owner is killed (SIGKILL), another worker stands by",
    "it takes over within the lease",
    keeps=(1, 2, 3),
)
async def test_a_standby_takes_over_within_the_lease_of_a_killed_worker(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    elements = [event(f"u{n % 300}", n) for n in range(6_000)]
    await redis_client.rpush(queue_name, *elements)
    given = settings(redis_url, queue_name, api, lease_ttl=2.5, max_events_per_post=5)
    first = worker(given)
    await eventually(lambda: api.ledger.accepted_events > 500)
    second = worker(given)
    await second.admin()
    await eventually(lambda: any(line["event"] == "standing by" for line in second.lines()))
    status, text = await fetch(await second.admin() + "/readyz")
    assert (status, json.loads(text)["state"]) == (200, "standing by")
    first.kill()
    await settled(redis_client, queue_name, within=30)
    assert in_order(accepted(api), by_user(elements))
    doubled = api.ledger.accepted_events - len(elements)
    assert doubled <= 64 * 5 + 1_000, "in flight, or accepted and not settled"


@fault(
    "process",
    "the owner is frozen (SIGSTOP) for longer than its lease, then wakes",
    "it changes nothing and stands by again",
    keeps=(1, 2),
)
async def test_a_worker_that_was_frozen_past_its_lease_changes_nothing_and_stands_by(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    elements = [event(f"u{n % 300}", n) for n in range(6_000)]
    await redis_client.rpush(queue_name, *elements)
    given = settings(redis_url, queue_name, api, lease_ttl=2.5, max_events_per_post=5)
    first = worker(given)
    await eventually(lambda: api.ledger.accepted_events > 500)
    os.kill(first.process.pid, signal.SIGSTOP)
    second = worker(given)
    await eventually(lambda: any(line["event"] == "lease acquired" for line in second.lines()))
    os.kill(first.process.pid, signal.SIGCONT)
    await settled(redis_client, queue_name, within=30)
    await eventually(lambda: first.state == "standing by", what="the woken worker stands by")
    assert in_order(accepted(api), by_user(elements))
    assert (await census(redis_client, queue_name)).accepted == len(elements)


@pytest.mark.long
@fault(
    "Redis", "frozen for a while (SIGSTOP)", "POSTs stop within a second, and continue when it wakes", keeps=(1, 2, 3)
)
async def test_a_frozen_redis_stops_the_posts_within_a_second_and_loses_nothing(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, worker: Start
) -> None:
    server = own_redis(port=None)
    api.faults = Faults(latency=0.02)
    elements = [event(f"u{n % 400}", n) for n in range(4_000)]
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue_name, *elements)
        worker(settings(server.url, queue_name, api, max_events_per_post=2, concurrency=8, lease_ttl=20.0))
        await eventually(lambda: api.ledger.accepted_events > 400)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: quiet(api), within=10, what="the POSTs stop")
            stopped_after = len(api.ledger.requests)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert stopped_after < 2_000, "they had not simply run out"
        await settled(redis, queue_name, within=40)
    assert in_order(accepted(api), by_user(elements))
    assert api.ledger.accepted_events == len(elements), "a pause shorter than the lease doubles nothing"


@fault("Redis", "killed and restarted from its append-only file, twice", "what was claimed is adopted", keeps=(1, 2))
async def test_a_redis_that_restarts_from_its_append_only_file_loses_nothing(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, worker: Start
) -> None:
    server = own_redis(port=None, appendonly=True, arguments=["--appendfsync", "always"])
    api.faults = Faults(latency=0.01)
    elements = [event(f"u{n % 300}", n) for n in range(4_000)]
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue_name, *elements)
    worker(settings(server.url, queue_name, api, max_events_per_post=4, lease_ttl=3.0))
    for least in (300, 1_500):

        def accepted_so_many(least: int = least) -> bool:
            return api.ledger.accepted_events > least

        await eventually(accepted_so_many)
        server.kill()
        server.restart()
    async with Redis.from_url(server.url) as redis:
        await settled(redis, queue_name, within=40)
    assert in_order(accepted(api), by_user(elements))


@fault("Redis", "the lease cannot be renewed", "no POST starts that could outlast the lease", keeps=(1, 2))
async def test_no_post_starts_that_the_lease_would_not_outlast(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, worker: Start
) -> None:
    server = own_redis(port=None)
    api.faults = Faults(users={"u": UserAnswer(status=503)})
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue_name, event("u", 1))
        worker(settings(server.url, queue_name, api, lease_ttl=3.0, request_timeout=1.0))
        await eventually(lambda: api.posts[503] > 20, what="it is tried again and again, nothing is settled")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: quiet(api), within=6, what="the attempts stop")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        api.faults = Faults()
        await settled(redis, queue_name)
    assert accepted(api) == {"u": [1]}


@pytest.mark.long
@fault("process", "the owner stops or dies, and four more workers stand by", "one of them takes over", keeps=(1, 2, 3))
async def test_of_five_workers_one_drains_and_the_next_takes_over(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    given = settings(redis_url, queue_name, api, lease_ttl=3.0, max_events_per_post=5)
    running = [worker(given) for _ in range(5)]
    pushed: list[bytes] = []

    def owner() -> WorkerProcess | None:
        return next((each for each in running if each.state == "delivering"), None)

    async def push_and_count() -> None:
        more = [event(f"u{n % 300}", n) for n in range(len(pushed), len(pushed) + 2_000)]
        pushed.extend(more)
        await redis_client.rpush(queue_name, *more)
        await eventually(lambda: api.ledger.accepted_events > len(pushed) - 1_500)

    async def states() -> list[str]:
        return sorted([json.loads((await fetch(await each.admin() + "/readyz"))[1])["state"] for each in running])

    async def one_drains() -> bool:
        return await states() == ["delivering"] + 4 * ["standing by"]

    await eventually(one_drains)
    for clean in (True, False, True):
        first = await eventually(owner)
        await push_and_count()
        started = time.monotonic()
        running.remove(first)
        if clean:
            assert await first.stopped() == 0
        else:
            first.kill()
        await eventually(owner, within=10)
        print(f"{'stopped' if clean else 'killed'}: the next owner after {time.monotonic() - started:.1f} s")
        # What is in flight ends first, then a standby looks once a second; a dead one's lease has to end.
        assert time.monotonic() - started < (3.5 if clean else 3.0 + 3.5)
    await settled(redis_client, queue_name, within=30)
    assert in_order(accepted(api), by_user(pushed))
