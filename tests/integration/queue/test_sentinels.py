"""Sentinels that answer something else than the master's address, next to one that knows it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from forwarder import NotPushedError, SyncProducer
from forwarder.errors import UnreachableError
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.servers.sentinel import OneSentinel
from tests.support.service import free_port, port_of

NAME = "shop"

#: What a port sends at once; all but the first are no Sentinel's.
SAYS = {
    "an error": b"-LOADING Redis is loading the dataset in memory\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "nothing that is text": bytes(range(128, 256)) + b"\r\n",
    "a number": b":1\r\n:1\r\n:1\r\n:1\r\n",
    "masters without members": b"*1\r\n*0\r\n" * 4,
}


@asynccontextmanager
async def saying(what: bytes) -> AsyncIterator[int]:
    """The port of a server that sends this on each connection."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(what)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _all_ways(url: str, queue: str) -> None:
    """As the service connects, and as a producer for threads does."""
    async with connect(url) as redis:
        await Queue(redis, queue, 1).halt()

    def push() -> None:
        with SyncProducer(url, queue=queue) as producer:
            producer.push("u", "n")

    await asyncio.to_thread(push)


@fault(
    "failover",
    "the first Sentinels answer with an error, or are no Sentinels",
    "the next one is asked, and the error has what each of them answered",
    keeps=(1,),
)
async def test_whatever_one_sentinel_answers_the_next_one_is_asked(
    redis_url: str, api: Simulator, queue_name: str, tmp_path: Path
) -> None:
    master, (first, second) = port_of(redis_url), (tmp_path / "1", tmp_path / "2")
    rights = "user default on nopass -@all +hello +ping"
    async with OneSentinel(first, master, NAME) as good, OneSentinel(second, master, NAME, rights) as forbidding:
        wrong = {
            "refused the connection": free_port(),
            "unknown command": master,
            "no permissions": forbidding.port,
            "Protocol error": port_of(api.url),
        }
        async with saying(b"") as closing:
            for port in [*wrong.values(), closing]:
                await _all_ways(f"redis+sentinel://127.0.0.1:{port},127.0.0.1:{good.port}/{NAME}", queue_name)
        for what in SAYS.values():
            async with saying(what) as port:
                await _all_ways(f"redis+sentinel://127.0.0.1:{port},127.0.0.1:{good.port}/{NAME}", queue_name)
        url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in wrong.values())}/{NAME}"
        async with connect(url) as redis:
            with pytest.raises(UnreachableError, match=f"no Sentinel names the master '{NAME}'") as caught:
                await Queue(redis, queue_name, 1).halt()
        with (
            SyncProducer(url, retry_for=0) as producer,
            pytest.raises(NotPushedError, match="no Sentinel names the master"),
        ):
            await asyncio.to_thread(producer.push, "u", "n")
    for answer, (said, port) in zip(str(caught.value).split("; "), wrong.items(), strict=True):
        assert re.search(f"127.0.0.1:{port}", answer), answer
        assert re.search(said, answer), answer


async def test_sentinels_may_want_a_user_of_their_own(redis_url: str, queue_name: str, tmp_path: Path) -> None:
    lines = ("user default off", "user she on >s3cret allchannels +@all")
    async with OneSentinel(tmp_path, port_of(redis_url), NAME, *lines) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{NAME}"
        await _all_ways(f"{url}?sentinel_username=she&sentinel_password=s3cret", queue_name)
        for options in ("", "?sentinel_password=s3cret", "?sentinel_username=she&sentinel_password=another"):
            async with connect(url + options) as redis:
                with pytest.raises(UnreachableError, match=rf"127.0.0.1:{sentinel.port}: .*(Auth|password)") as caught:
                    await Queue(redis, queue_name, 1).halt()
            assert "s3cret" not in str(caught.value)
        assert "restart the service" in caught.value.remedy, "the last password was refused"
