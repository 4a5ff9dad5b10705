"""A Redis that answers with errors: it says what is wrong, keeps everything, and goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.service import WorkerProcess, event, eventually, fetch, port_of, settings, settled

Start = Callable[[Settings], WorkerProcess]

EVENTS = 1_600


@dataclass
class Scene:
    """A worker under load on a Redis of its own, and somebody else's connection to that Redis."""

    redis: Redis
    server: EmbeddedRedis
    worker: WorkerProcess
    api: Simulator
    queue: str
    pushed: list[bytes]

    async def says(self, *words: str) -> None:
        """Waits until /readyz and the log name the problem, also one that follows on another."""
        admin = await self.worker.admin()

        async def unready() -> bool:
            status, text = await fetch(admin + "/readyz")
            return status == 503 and any(word in text for word in words)

        await eventually(unready, within=20, what=f"/readyz says one of {words}")

        def logged() -> bool:
            errors = [line.get("error", "") for line in self.worker.lines()]
            return any(word in error for word in words for error in errors)

        await eventually(logged, what=f"the log says one of {words}")

    async def ends_well(self) -> None:
        """Everything is accepted, in order, and not once too often; and it says that Redis is available again."""
        await settled(self.redis, self.queue, within=40)
        verdict = check(await observed(self.pushed, self.api, self.redis, self.queue))
        assert (verdict.faults, verdict.explained) == ({}, [])
        assert any(line["event"] == "Redis is available again" for line in self.worker.lines())


@asynccontextmanager
async def scene(
    server: EmbeddedRedis, api: Simulator, worker: Start, queue: str, *, url: str = ""
) -> AsyncIterator[Scene]:
    """Enters when a tenth of the events is accepted; `url` is the worker's, if it is not the server's own."""
    api.faults = Faults(latency=0.02)
    pushed = [event(f"u{n % 400}", n) for n in range(EVENTS)]
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue, *pushed)
        process = worker(settings(url or server.url, queue, api, max_events_per_post=2, concurrency=8, lease_ttl=30.0))
        await process.admin()
        await eventually(lambda: api.ledger.accepted_events > EVENTS // 10)
        yield Scene(redis, server, process, api, queue, pushed)


@fault(
    "Redis",
    "`READONLY`: demoted to a replica, then a master again",
    "the worker says so, waits, and continues",
    keeps=(1, 2, 3),
)
async def test_a_demoted_master_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        # A master that is not there: the replica keeps its data, and refuses writes.
        await now.redis.replicaof("127.0.0.1", "1")
        await now.says("READONLY", "read only")
        await now.redis.replicaof("NO", "ONE")
        await now.ends_well()


@fault(
    "Redis", "`NOPERM`: the worker's user loses its rights", "the worker says so, waits, and continues", keeps=(1, 2, 3)
)
async def test_rights_that_are_taken_away_are_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis:
        await redis.acl_setuser(
            "worker", enabled=True, passwords="+secret", keys=["*"], channels=["*"], categories=["+@all"]
        )
    url = server.url.replace("redis://", "redis://worker:secret@")
    async with scene(server, api, worker, queue_name, url=url) as now:
        await now.redis.acl_setuser("worker", enabled=True, categories=["-@all"], commands=["+ping"])
        await now.says("NOPERM", "no permissions", "NoPermission")
        await now.redis.acl_setuser("worker", enabled=True, categories=["+@all"])
        await now.ends_well()
        assert "secret" not in now.worker.log.read_text()


@fault(
    "Redis",
    "the password is changed, and later changed back",
    "the worker says so, waits, and continues",
    keeps=(1, 2, 3),
)
async def test_a_changed_password_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    server = own_redis(port=None)
    async with scene(server, api, worker, queue_name) as now:
        await now.redis.config_set("requirepass", "another")
        await now.redis.client_kill_filter(_type="normal", skipme=True)
        await now.says("NOAUTH", "Authentication")
        await now.redis.config_set("requirepass", "")
        await now.ends_well()


@fault(
    "Redis", "`BUSY`: somebody's script does not end", "POSTs stop, and continue after `SCRIPT KILL`", keeps=(1, 2, 3)
)
async def test_somebody_elses_endless_script_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    # The name of the limit that every version knows.
    async with scene(own_redis(port=None, arguments=["--lua-time-limit", "100"]), api, worker, queue_name) as now:

        async def endless() -> None:
            async with Redis.from_url(now.server.url, socket_timeout=None) as somebody:
                with suppress(RedisError):
                    await somebody.eval("while true do end", 0)

        script = asyncio.create_task(endless())
        await now.says("BUSY", "busy", "Timeout")
        await now.redis.script_kill()
        await script
        await now.ends_well()


@fault("Redis", "`OOM` in the middle of a run", "what was pushed is drained; nothing stops", keeps=(1, 2, 3))
async def test_a_redis_that_fills_up_in_the_middle_drains(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        await now.redis.config_set("maxmemory", 1)
        await settled(now.redis, queue_name, within=40)
        verdict = check(await observed(now.pushed, api, now.redis, queue_name))
        assert (verdict.faults, verdict.explained) == ({}, [])


@fault(
    "Redis",
    "`maxclients` reached, and its connections cut",
    "the worker says so, waits, and continues",
    keeps=(1, 2, 3),
)
async def test_a_redis_without_a_connection_to_spare_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        await now.redis.config_set("maxclients", 1)
        await now.redis.client_kill_filter(_type="normal", skipme=True)
        await now.says("max number of clients")
        await now.redis.config_set("maxclients", 1_000)
        await now.ends_well()


@fault(
    "Redis",
    "`MISCONF`: its disk is full and a snapshot has failed",
    "the worker says so, waits, and continues",
    keeps=(1, 2, 3),
)
async def test_a_redis_that_cannot_save_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        directory = (await now.redis.config_get("dir"))["dir"]
        # A full disk as the snapshot meets it: the file cannot be put in its place, also for root.
        in_the_way = Path(str(directory), "dump.rdb")
        in_the_way.mkdir()
        await now.redis.config_set("save", "3600 1000000")
        await now.redis.bgsave()

        async def failed() -> bool:
            return bool((await now.redis.info("persistence"))["rdb_last_bgsave_status"] == "err")

        await eventually(failed, what="the snapshot fails")
        await now.says("MISCONF", "Misconf")
        in_the_way.rmdir()
        await now.redis.bgsave()
        await now.ends_well()


@pytest.mark.parametrize("kind", ["ALL", pytest.param("WRITE", marks=pytest.mark.long)])
@fault("Redis", "`CLIENT PAUSE`", "POSTs stop, then continue", keeps=(1, 2, 3))
async def test_a_paused_redis_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str, kind: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        await now.redis.client_pause(7_000, all=kind == "ALL")
        await eventually(lambda: api._clock() - api.ledger.requests[-1].at > 1.5, within=7, what="the POSTs stop")
        assert api.ledger.accepted_events < EVENTS
        await now.ends_well()


@fault("connection", "closed by Redis repeatedly (`CLIENT KILL`)", "the worker reconnects", keeps=(1, 2, 3))
async def test_killed_connections_are_made_again(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        killed = 0
        for least in range(EVENTS // 5, EVENTS // 5 * 4, EVENTS // 20):

            def so_many(least: int = least) -> bool:
                return api.ledger.accepted_events >= least

            await eventually(so_many)
            killed += int(await now.redis.client_kill_filter(_type="normal", skipme=True))
        assert killed > 10
        await settled(now.redis, queue_name, within=40)
        verdict = check(await observed(now.pushed, api, now.redis, queue_name))
        assert (verdict.faults, verdict.explained) == ({}, [])


@fault("Redis", "somebody empties it (`FLUSHALL`)", "the worker continues with what is pushed afterwards", keeps=(2,))
async def test_a_redis_that_somebody_emptied_is_started_over(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        await now.redis.flushall()
        later = [event(f"later{n % 10}", n) for n in range(EVENTS, EVENTS + 200)]
        await now.redis.rpush(queue_name, *later)

        def arrived() -> bool:
            return sum(len(api.ledger.events(f"later{n}")) for n in range(10)) >= 200

        await eventually(arrived, within=40, what="the later events are accepted")
        await settled(now.redis, queue_name, within=20)
        assert now.worker.process.poll() is None
        assert [x["level"] for x in now.worker.lines() if x["level"] in ("error", "critical")] == []


@pytest.mark.long
@fault(
    "Redis",
    "somebody replaces the hash of claimed events with a string",
    "the worker names the key and exits with 78",
    keeps=(1,),
)
async def test_a_key_that_changes_its_type_is_named(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str
) -> None:
    async with scene(own_redis(port=None), api, worker, queue_name) as now:
        claimed = f"{{{queue_name}}}:claimed"
        await now.redis.rename(claimed, "aside")
        await now.redis.set(claimed, "not ours")
        await eventually(lambda: now.worker.process.poll() is not None, what="the worker ends")
        assert now.worker.process.returncode == 78
        assert f"Redis key '{claimed}' holds a string, expected a hash" in now.worker.log.read_text()
        await now.redis.delete(claimed)
        await now.redis.rename("aside", claimed)
        worker(settings(now.server.url, queue_name, api))
        await settled(now.redis, queue_name, within=40)
        verdict = check(await observed(now.pushed, api, now.redis, queue_name))
        assert "missing" not in verdict.faults


@pytest.mark.long
@fault(
    "Redis",
    "`LOADING`: it restarts and reads its append-only file for seconds",
    "the worker says so, waits, and continues",
    keeps=(1, 2),
)
async def test_a_redis_that_loads_its_data_is_waited_for(
    own_redis: Callable[..., EmbeddedRedis], api: Simulator, worker: Start, queue_name: str, tmp_path: Path
) -> None:
    kept = {"directory": tmp_path, "appendonly": True}
    server = own_redis(port=None, arguments=["--appendfsync", "always"], **kept)
    async with Redis.from_url(server.url) as redis, redis.pipeline(transaction=False) as filling:
        for number in range(5_000):
            filling.set(f"{queue_name}-other-{number}", number)
        await filling.execute()
    async with scene(server, api, worker, queue_name) as now:
        server.kill()
        slow = ["--key-load-delay", "1000"]  # microseconds a command
        port = port_of(server.url)
        loading = asyncio.create_task(asyncio.to_thread(own_redis, port=port, arguments=slow, **kept))
        await now.says("loading", "LOADING")
        await loading
        await now.redis.connection_pool.disconnect()
        await settled(now.redis, queue_name, within=40)
        assert check(await observed(now.pushed, api, now.redis, queue_name, disturbances=[0.0])).missing == []
        assert any(line["event"] == "Redis is available again" for line in now.worker.lines())
