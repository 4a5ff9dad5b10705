"""What belongs to everybody is shown by every worker, whatever it is doing."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from redis import Redis as Administrator
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.metrics import Metrics
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import PERIOD
from forwarder.monitor.summary import Summary
from forwarder.monitor.watch import SAMPLED, Watch
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue, QueueList
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.service import Running, WorkerProcess, environment, event, eventually, running, settings, settled


async def gauge(service: Running, name: str) -> float:
    lines = (await service.get("/metrics"))[1].splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


async def test_a_halted_worker_shows_what_piles_up(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    async with running(settings(redis_url, queue_name, api, api_key="revoked")) as service:
        await service.shows('forwarder_halted{reason="credentials"} 1.0')
        await service.shows("forwarder_claimed_events 1.0")
        await redis_client.rpush(queue_name, *(event("u", n) for n in range(40)))
        await service.shows("forwarder_queue_waiting_events 40.0")
        await eventually(lambda: _older(service), what="the oldest event ages")
        assert json.loads((await service.get("/status.json"))[1])["now"]["oldest"] >= 1
        await service.shows("forwarder_oldest_claimed_age_seconds 0.0")
        await service.shows("forwarder_buffered_events 0.0")
        await service.shows('forwarder_lease_held{shard="0"} 0.0')


async def _older(service: Running) -> bool:
    return await gauge(service, "forwarder_oldest_waiting_age_seconds") >= 1


async def test_a_worker_that_stands_by_shows_the_same_as_the_owner(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    given = settings(redis_url, queue_name, api)
    async with running(given) as owner:
        await owner.shows('forwarder_lease_held{shard="0"} 1.0')
        async with running(given) as other:
            await redis_client.rpush(queue_name, event("u", 1), b"no event")
            for service in (owner, other):
                await service.shows("forwarder_dead_letters 1.0")
                assert await gauge(service, "forwarder_redis_used_memory_bytes") > 0
            assert "forwarder_lists 1.0" in (await other.get("/metrics"))[1]
            assert "forwarder_lease_held{" not in (await other.get("/metrics"))[1], "it has never owned the list"


async def test_every_worker_shows_all_lists_whoever_owns_them(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    given = settings(redis_url, queue_name, api, shards=4)
    await redis_client.set(
        QueueKeys(queue_name).halt, b'{"reason":"misdirected","detail":"","since":"","fingerprint":""}'
    )
    async with running(given) as one, running(given) as other:
        for shard in range(4):
            await redis_client.rpush(Keys(queue_name, shard, of=4).list, *(event("u", n) for n in range(shard + 1)))
        for service in (one, other):
            await service.shows("forwarder_queue_waiting_events 10.0")


@pytest.mark.long
async def test_the_log_says_how_it_goes(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, tmp_path: Path
) -> None:
    given = environment(settings(redis_url, queue_name, api, log_level="debug"))
    # Before it starts: the first line, which comes after ten seconds and is the only one for a minute, counts it.
    await redis_client.rpush(queue_name, *(event("u", n) for n in range(30)), b"no event")
    worker = WorkerProcess(given, tmp_path / "log")
    try:
        line = await eventually(lambda: next((x for x in worker.lines() if x["event"] == "summary"), None))
        accepted = [x for x in worker.lines() if x["event"] == "POST accepted"]
    finally:
        worker.kill()
    assert sum(x["events"] for x in accepted) == 30
    assert line["state"] == "delivering"
    assert line["events_per_second"] > 0
    assert line["posts_per_second"] > 0
    assert line["dead_letters"] == 1


@pytest.mark.parametrize("most", [0, 512 * 2**20])
async def test_redis_tells_how_full_it_is(each_server: EmbeddedRedis, queue_name: str, most: int) -> None:
    with Administrator.from_url(each_server.url) as administrator:
        before = administrator.config_get("maxmemory")["maxmemory"]
        administrator.config_set("maxmemory", most)
        async with connect(each_server.url) as redis:
            memory = await QueueList(redis, Keys(queue_name)).memory()
        administrator.config_set("maxmemory", before)
    assert 0 < memory.used < memory.most
    assert memory.most == most or (most == 0 and memory.most > 512 * 2**20)


async def test_who_wants_all_gets_all_also_while_a_sample_is_taken(redis_client: Redis, queue_name: str) -> None:
    queue = Queue(redis_client, queue_name, 1)
    await queue.fleet(name="host:1", remembered=30.0).attend()
    watch = Watch(queue, Gauges(Metrics(), 1, time.monotonic), time.monotonic)
    _, seen = await asyncio.gather(watch.refresh(), watch.refresh(in_full=True))
    assert seen is not None
    assert [each.name for each in seen.workers.values()] == ["host:1"]


async def test_what_the_log_says_is_decided_from_the_fleet_of_now_though_nobody_looks(
    redis_client: Redis, queue_name: str
) -> None:
    now = 100.0
    queue = Queue(redis_client, queue_name, 1)
    watch = Watch(queue, Gauges(Metrics(), 1, lambda: now), lambda: now)
    first = await watch.refresh(max_age=SAMPLED)
    assert first is not None
    await queue.fleet(name="host:1", remembered=30.0).attend()
    await redis_client.xadd(Keys(queue_name).dead, {"element": b"{}", "reason": "rejected"})
    await redis_client.set(Keys(queue_name).dead_lettered, 1)
    await redis_client.hincrby(QueueKeys(queue_name).counts, "at", -20_000_000)
    now += PERIOD
    seen = await watch.refresh(max_age=SAMPLED)
    assert seen is not None
    assert [each.name for each in seen.workers.values()] == ["host:1"]
    assert seen.trend.letters == 1
    await redis_client.delete(QueueKeys(queue_name).past)
    await redis_client.set(QueueKeys(queue_name).past, "foreign")
    now += PERIOD
    await watch.refresh(max_age=SAMPLED)
    assert watch.problem is None, "the metrics do not need the past"


async def test_where_info_is_forbidden_the_service_runs_and_the_memory_is_unknown(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    rule = ("reset", "on", ">secret", "allkeys", "allchannels", "+@all", "-info")
    await redis_client.execute_command("ACL", "SETUSER", queue_name, *rule)  # type: ignore[no-untyped-call]
    url = redis_url.replace("//", f"//{queue_name}:secret@")
    async with running(settings(url, queue_name, api)) as service:
        await redis_client.rpush(queue_name, event("u", 1))
        await service.shows("forwarder_events_accepted_total 1.0")
        await service.shows("forwarder_redis_used_memory_bytes 0.0")
        await service.shows("forwarder_redis_errors_total 0.0")
        assert (await service.get("/readyz"))[0] == 200
    await redis_client.execute_command("ACL", "DELUSER", queue_name)  # type: ignore[no-untyped-call]


async def _is_ready(service: Running) -> bool:
    return (await service.get("/readyz"))[0] == 200


async def test_a_monitor_that_fails_stops_no_event_but_the_process_is_not_ready(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours, so it is put in on purpose: the summary, the gauges and the charts would stop in silence."""
    given = settings(redis_url, queue_name, api)
    async with running(given) as service:
        await eventually(lambda: _is_ready(service))

    def broken(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(Summary, "line", broken)
    async with running(given) as service:

        async def not_ready() -> bool:
            status, said = await service.get("/readyz")
            return status == 503 and "the monitor has failed: KeyError" in said

        await eventually(not_ready)
        await redis_client.rpush(queue_name, *(event("u", n) for n in range(5)))
        await settled(redis_client, queue_name)
    assert api.ledger.accepted_events == 5
