"""The password of Redis changes in its file, and Redis refuses the old one."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import DeniedError, UnreachableError
from forwarder.logs.redaction import hidden
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.servers.sentinel import OneSentinel
from tests.support.service import Running, event, eventually, port_of, running, settings, settled

Servers = Callable[..., EmbeddedRedis]

NAME = "shop"


def new_password() -> str:
    return "p@ss/" + secrets.token_hex(8)


def encoded(password: str) -> str:
    return password.replace("@", "%40").replace("/", "%2F")


@dataclass
class Guarded:
    """A Redis with a user whose password changes, the administrator's client, and the file of the URL."""

    server: EmbeddedRedis
    redis: Redis
    file: Path
    old: str = field(default_factory=new_password)
    new: str = field(default_factory=new_password)

    def url(self, password: str, *, db: int = 0) -> str:
        return f"redis://worker:{encoded(password)}@127.0.0.1:{port_of(self.server.url)}/{db}"

    async def accepts(self, password: str) -> None:
        """From now on this is the only password, and every connection has to log in anew."""
        rights = ["ON", "resetpass", f">{password}", "~*", "&*", "+@all"]
        await self.redis.execute_command("ACL", "SETUSER", "worker", *rights)  # type: ignore[no-untyped-call]
        await self.redis.client_kill_filter(_type="normal", skipme=True)


@asynccontextmanager
async def guarded(own_redis: Servers, directory: Path) -> AsyncIterator[Guarded]:
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis:
        found = Guarded(server, redis, directory / "redis-url")
        await found.accepts(found.old)
        found.file.write_text(found.url(found.old))
        yield found


async def unready(service: Running, *said: str) -> dict[str, str]:
    """What /readyz says once it says all of this."""

    async def says() -> dict[str, str] | None:
        status, text = await service.get("/readyz")
        return json.loads(text) if status == 503 and all(each in text for each in said) else None

    found: dict[str, str] = await eventually(says, what=f"/readyz says {said}")
    return found


@fault(
    "Redis",
    "the password is changed, and then in the file of the URL",
    "the file is read again; the service continues with the new password, which is hidden like the old one",
    keeps=(1, 2, 3),
)
async def test_a_new_password_in_the_file_is_used_when_the_old_one_is_refused(
    own_redis: Servers, api: Simulator, queue_name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with guarded(own_redis, tmp_path) as now:
        pushed = [event(f"u{n % 7}", n) for n in range(300)]
        given = settings("", queue_name, api, redis_url_file=str(now.file), lease_ttl=30.0)
        async with running(given) as service:
            await now.redis.rpush(queue_name, *pushed[:100])
            await settled(now.redis, queue_name)
            await now.accepts(now.new)
            await now.redis.rpush(queue_name, *pushed[100:])
            same = await unready(service, "was read again")
            assert (
                same["remedy"] == f"Write the present password into {now.file}. The service reads it again by itself."
            )
            for url, said in {
                now.url(now.new, db=1): "names another Redis, database or option, which only a restart uses",
                now.url(now.new).replace("127.0.0.1", "localhost"): "names another Redis",
                "": "is empty",
                "redis://h/production": "number of a database",
            }.items():
                now.file.write_text(url)
                await unready(service, said)
            assert api.ledger.accepted_events == 100
            now.file.write_text(now.url(now.new) + "\n")
            await settled(now.redis, queue_name)
            await eventually(lambda: _ready(service))
            verdict = check(await observed(pushed, api, now.redis, queue_name))
            assert (verdict.faults, verdict.explained) == ({}, [])
        for secret in (now.new, encoded(now.new), now.url(now.new)):
            assert hidden(f"<{secret}>") == "<***>"
            assert secret not in capfd.readouterr().err


async def _ready(service: Running) -> bool:
    return (await service.get("/readyz"))[0] == 200


async def test_with_the_file_changed_first_nothing_is_noticed(
    own_redis: Servers, api: Simulator, queue_name: str, tmp_path: Path
) -> None:
    """The old password stays in use as long as Redis takes it, and no command fails when it does not any more."""
    async with guarded(own_redis, tmp_path) as now, connect(now.url(now.old), file=now.file) as redis:
        queue = Queue(redis, queue_name, 1)
        now.file.write_text(now.url(now.new))
        await now.redis.client_kill_filter(_type="normal", skipme=True)
        await asyncio.gather(*(queue.shards() for _ in range(8)), return_exceptions=True)
        await queue.shards()
        await now.accepts(now.new)
        await asyncio.gather(*(queue.shards() for _ in range(8)), return_exceptions=True)
        await asyncio.gather(*(queue.shards() for _ in range(8)))
        now.file.write_text(now.url(new_password()))
        await now.accepts(new_password())
        await eventually(lambda: _refuses(redis, "too"), what="neither of the two passwords is taken")
        await now.accepts(now.new)
        await eventually(lambda: _serves(redis), what="the one that Redis takes again is tried again")


async def test_without_a_file_readyz_says_that_a_restart_is_needed(
    own_redis: Servers, api: Simulator, queue_name: str, tmp_path: Path
) -> None:
    async with guarded(own_redis, tmp_path) as now, running(settings(now.url(now.old), queue_name, api)) as service:
        await eventually(lambda: _ready(service))
        await now.accepts(now.new)
        found = await unready(service, "invalid username-password pair")
        assert "FORWARDER_REDIS_URL and restart" in found["remedy"]
        await now.accepts(now.old)
        await eventually(lambda: _ready(service))


#: A cluster is writable two seconds after its start, but this test only reads.
_ONE_NODE = ("--cluster-enabled", "yes", "--cluster-allow-reads-when-down", "yes")


async def test_every_node_of_a_cluster_is_logged_in_to_anew(own_redis: Servers, tmp_path: Path) -> None:
    server = own_redis(port=None, arguments=[*_ONE_NODE, "--requirepass", "old"])
    file, port = tmp_path / "url", port_of(server.url)
    file.write_text(f"redis+cluster://:old@127.0.0.1:{port}")
    async with Redis(port=port, password="old") as node, connect(file.read_text(), file=file) as redis:
        await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)  # type: ignore[no-untyped-call]
        await eventually(lambda: _serves(redis))
        await node.config_set("requirepass", "new")
        await node.client_kill_filter(_type="normal", skipme=True)
        await eventually(lambda: _refuses(redis), what="the old password is refused")
        file.write_text(f"redis+cluster://:new@127.0.0.1:{port}")
        assert await _serves(redis)
    async with connect(f"redis+cluster://:old@127.0.0.1:{port}", file=file) as redis:
        assert await _serves(redis), "its first connection is refused"


async def _serves(redis: Redis) -> bool:
    with suppress(UnreachableError):  # the slots are not served yet
        await Queue(redis, "events", 1).shards()
        return True
    return False


async def _refuses(redis: Redis, said: str = "was read again") -> bool:
    with pytest.raises(UnreachableError) as caught:
        await Queue(redis, "events", 1).shards()
    return isinstance(caught.value, DeniedError) and said in str(caught.value)


async def test_sentinels_and_the_master_are_logged_in_to_anew(own_redis: Servers, tmp_path: Path) -> None:
    async with guarded(own_redis, tmp_path) as now:

        def url(password: str) -> str:
            hosts = f"worker:{encoded(password)}@127.0.0.1:{sentinel.port}"
            return f"redis+sentinel://{hosts}/{NAME}?sentinel_username=she&sentinel_password={encoded(password)}"

        lines = ("user default on nopass allchannels +@all", f"user she on >{now.old} allchannels +@all")
        async with OneSentinel(tmp_path / "s", port_of(now.server.url), NAME, *lines) as sentinel:
            now.file.write_text(url(now.old))
            async with connect(url(now.old), file=now.file) as redis, Redis(port=sentinel.port) as administrator:
                await Queue(redis, "events", 1).shards()
                await now.accepts(now.new)
                await administrator.execute_command("ACL", "SETUSER", "she", "resetpass", f">{now.new}")  # type: ignore[no-untyped-call]
                await administrator.execute_command("CLIENT", "KILL", "USER", "she")  # type: ignore[no-untyped-call]
                now.file.write_text(url(now.new))
                await asyncio.gather(*(Queue(redis, "events", 1).shards() for _ in range(4)), return_exceptions=True)
                assert await Queue(redis, "events", 1).shards() is None
