"""A master and its Sentinel by TLS, both with a CA of the test's own, and both wanting a client's certificate."""

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.exceptions import RedisError

from forwarder import NotPushedError, Producer
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.producers import KINDS, Kind
from tests.support.servers.tls import Certificates, certificates, redis_by_tls
from tests.support.service import command, environment, event, eventually, free_port, push, running, settings

NAME = "shop"


@dataclass(frozen=True)
class Secured:
    """A Sentinel's port, and the files."""

    port: int
    files: Certificates

    def url(self, *, name: str = NAME, stranger: bool = False, certified: bool = True) -> str:
        ca = self.files.stranger if stranger else self.files.ca
        query = self.files.query(ca=ca, certified=certified)
        return f"rediss+sentinel://127.0.0.1:{self.port}/{name}/0{query}"


@pytest_asyncio.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    files = certificates(tmp_path, "127.0.0.1")
    master, found = free_port(), Secured(free_port(), files)
    options = {
        "bind": "127.0.0.1",
        "port": "0",
        "dir": str(tmp_path),
        "tls-replication": "yes",  # without it a Sentinel would talk to its master in the clear
        "sentinel monitor": f"{NAME} 127.0.0.1 {master} 1",
        **files.options(found.port),
    }
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with redis_by_tls(files.options(master)) as program:
        sentinel = subprocess.Popen([program, configuration, "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            await eventually(lambda: _serves(found), what="the Sentinel names the master")
            yield found
        finally:
            sentinel.kill()
            sentinel.wait()


async def _serves(secured: Secured) -> bool:
    with suppress(RedisError, OSError):
        async with connect(secured.url()) as redis:
            return bool(await redis.ping())
    return False


async def test_the_service_finds_its_master_by_tls_with_its_own_ca_and_a_clients_certificate(
    secured: Secured, queue_name: str, api: Simulator
) -> None:
    async with Producer(secured.url(), queue=queue_name) as producer:
        await producer.push("a", "test")
    async with connect(secured.url()) as redis:
        await push(redis, queue_name, [event("a", number) for number in range(50)])
    async with running(settings(secured.url(), queue_name, api)):
        await eventually(lambda: api.ledger.accepted_events == 51)


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"stranger": True}, "CERTIFICATE_VERIFY_FAILED", id="of another CA"),
        pytest.param({"certified": False}, "(?i)certificate|closed|reset", id="no certificate of the client"),
    ],
)
async def test_who_does_not_prove_who_it_is_is_told_in_one_line(
    secured: Secured, queue_name: str, api: Simulator, wrong: dict[str, Any], said: str
) -> None:
    given = environment(settings(secured.url(**wrong), queue_name, api))
    code, out, err = await command("status", environment=given)
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert re.search(said, err), err


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_that_no_sentinel_knows_is_said(secured: Secured, kind: Kind) -> None:
    async with kind(secured.url(name="nobody"), retry_for=0) as producer:
        with pytest.raises(NotPushedError, match=f"'nobody': 127.0.0.1:{secured.port}: it does not know this master$"):
            await producer.push("u", "n")
