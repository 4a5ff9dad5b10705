"""Three Sentinels, a master and two replicas: the master dies under load, and the worker follows the new one."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from forwarder import NotPushedError
from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis, find_server
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.producers import KINDS, connected
from tests.support.promises import check, observed
from tests.support.service import (
    WorkerProcess,
    command,
    environment,
    event,
    eventually,
    free_port,
    port_of,
    settings,
    settled,
)

Servers = Callable[..., EmbeddedRedis]
Start = Callable[[Settings], WorkerProcess]

NAME = "shop"
CONFIGURATION = """
bind 127.0.0.1
port {port}
dir {directory}
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 3000
sentinel parallel-syncs {name} 1
"""


@dataclass
class Set:
    """A master with two replicas, and the ports of three Sentinels."""

    master: EmbeddedRedis
    replicas: list[EmbeddedRedis]
    ports: list[int]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{number}' for number in self.ports)}/{NAME}/0"

    async def master_port(self) -> int | None:
        """Of whom two Sentinels at least say that it is the master."""
        said = [await self._says(number) for number in self.ports]
        return next((number for number in said if number and said.count(number) > 1), None)

    async def _says(self, number: int) -> int | None:
        with contextlib.suppress(RedisError, OSError):
            async with Redis(port=number, decode_responses=True) as sentinel:
                found: Any = await sentinel.sentinel_get_master_addr_by_name(NAME)
                return int(found[1])
        return None

    async def ready(self) -> bool:
        """Whether every Sentinel knows the two others and the replicas, so that they can fail over."""
        for number in self.ports:
            async with Redis(port=number) as sentinel:
                try:
                    known: Any = await sentinel.sentinel_masters()
                except (RedisError, OSError):
                    return False
                mine = known[NAME]
                if (mine["num-other-sentinels"], mine["num-slaves"]) != (2, 2):
                    return False
        return True


@contextlib.asynccontextmanager
async def sentinel_set(own_redis: Servers, directory: Path) -> AsyncIterator[Set]:
    master, *replicas = (own_redis(port=None) for _ in range(3))
    for replica in replicas:
        async with Redis.from_url(replica.url) as redis:
            await redis.replicaof("127.0.0.1", str(port_of(master.url)))
    ports = [free_port() for _ in range(3)]
    processes = []
    for number in ports:
        home = directory / f"sentinel-{number}"
        home.mkdir()
        text = CONFIGURATION.format(port=number, directory=home, name=NAME, master=port_of(master.url))
        (home / "sentinel.conf").write_text(text)
        arguments = [str(find_server()), str(home / "sentinel.conf"), "--sentinel"]
        processes.append(subprocess.Popen(arguments, stdout=subprocess.DEVNULL))
    found = Set(master, replicas, ports)
    try:
        await eventually(found.ready, within=40, what="the Sentinels know each other")
        yield found
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.long
@fault(
    "failover",
    "the master is killed, and the Sentinels promote a replica",
    "the worker follows the new master by itself",
    keeps=(1, 2, 3),
)
async def test_a_worker_follows_the_master_that_sentinels_name(
    own_redis: Servers, api: Simulator, worker: Start, queue_name: str, tmp_path: Path
) -> None:
    api.faults = Faults(latency=0.01)
    async with sentinel_set(own_redis, tmp_path) as servers:
        given = settings(servers.url, queue_name, api, max_events_per_post=4, concurrency=8)
        pushed = [event(f"u{n % 300}", n) for n in range(6_000)]
        lines = b"".join(element + b"\n" for element in pushed[:3_000])
        code, _, said = await command("push", "-", environment=environment(given), stdin=lines)
        assert code == 0, said
        async with Redis.from_url(servers.master.url) as redis:
            await redis.rpush(queue_name, *pushed[3_000:])
            assert await redis.wait(2, 5_000) == 2
        process = worker(given)
        await eventually(lambda: api.ledger.accepted_events > 500)
        killed = api._clock()
        servers.master.kill()
        old = port_of(servers.master.url)

        async def promoted() -> bool:
            return await servers.master_port() not in {None, old}

        await eventually(promoted, within=30, what="the Sentinels fail over")
        now = await servers.master_port()
        async with Redis(port=now or 0) as redis:
            await settled(redis, queue_name, within=60)
            verdict = check(
                await observed(
                    pushed, api, redis, queue_name, disturbances=[killed], unsettled=[(killed - 1, killed + 30)]
                )
            )
        assert verdict.faults == {}
        assert any(line["event"] == "Redis is available again" for line in process.lines())
        assert await process.stopped() == 0


@fault(
    "failover",
    "one Sentinel after the other stops, the master stays",
    "the worker continues; only a start needs one of them",
    keeps=(1, 2, 3),
)
async def test_sentinels_are_asked_one_after_the_other(
    own_redis: Servers, api: Simulator, worker: Start, queue_name: str, tmp_path: Path
) -> None:
    async with sentinel_set(own_redis, tmp_path) as servers:
        servers.ports[:2] = [free_port(), free_port()]
        pushed = [event(f"u{n % 30}", n) for n in range(600)]
        async with Redis.from_url(servers.master.url) as redis:
            await redis.rpush(queue_name, *pushed)
            worker(settings(servers.url, queue_name, api))
            await settled(redis, queue_name, within=30)
            verdict = check(await observed(pushed, api, redis, queue_name))
        assert (verdict.faults, verdict.explained) == ({}, [])


async def test_producers_find_the_master_and_are_refused_by_one_that_was_demoted(
    own_redis: Servers, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(sentinel_set(own_redis, tmp_path))
        redis = await stack.enter_async_context(connected(servers.master))
        producers: list[Any] = [await stack.enter_async_context(kind(servers.url, retry_for=0)) for kind in KINDS]
        for producer in producers:
            await producer.push_many([event("u", number) for number in range(10)])
        assert await redis.llen("events") == 20
        await redis.replicaof("127.0.0.1", str(port_of(servers.replicas[0].url)))
        for producer in producers:
            # It surely was not pushed, though redis-py makes a broken connection of it.
            with pytest.raises(NotPushedError, match=r"^1 not pushed: ConnectionError: .*now a slave"):
                await producer.push("u", "n")


@pytest.mark.long
async def test_producers_wait_for_the_master_that_sentinels_promote(own_redis: Servers, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(sentinel_set(own_redis, tmp_path))
        producers: list[Any] = [await stack.enter_async_context(kind(servers.url, retry_for=30)) for kind in KINDS]
        for producer in producers:
            await producer.push("first", "n")
        servers.master.kill()
        ours = [[event(f"u{n}", number) for number in range(1_500)] for n in range(len(producers))]
        await asyncio.gather(*(producer.push_many(each) for producer, each in zip(producers, ours, strict=True)))
        async with Redis(port=await eventually(servers.master_port)) as redis:
            there: Any = await redis.lrange("events", 0, -1)
        for mine in ours:
            assert [each for each in there if each in set(mine)] == mine


async def test_no_sentinel_at_all_is_said_and_waited_for(api: Simulator, worker: Start, queue_name: str) -> None:
    url = f"redis+sentinel://127.0.0.1:{free_port()}/{NAME}"
    process = worker(settings(url, queue_name, api))
    await process.admin()

    def said() -> bool:
        return any("no Sentinel names the master" in line.get("error", "") for line in process.lines())

    await eventually(said)
    assert await process.stopped() == 0
