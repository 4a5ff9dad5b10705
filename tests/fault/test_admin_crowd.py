"""Far too many connections to the admin address: probes are answered, and what an owner does is not cut off."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.service import Running, eventually, port_of, running, settings

TOKEN = "a-token-of-this-test"
RESUME = (
    b"POST /resume HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}" % TOKEN.encode()
)


class Client:
    """Sockets that are opened at once, without giving the service a turn in between."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sockets: list[socket.socket] = []

    def open(self, count: int = 1, *, source: str = "127.0.0.1") -> socket.socket:
        """Opens connections that say nothing; returns the last one."""
        for _ in range(count):
            found = socket.socket()
            found.settimeout(0)
            found.bind((source, 0))
            with suppress(BlockingIOError):
                found.connect(("127.0.0.1", self._port))
            self.sockets.append(found)
        return self.sockets[-1]

    @property
    def ended(self) -> int:
        """How many of the connections the service has ended."""
        return sum(map(_is_ended, self.sockets))

    def close(self) -> None:
        for each in self.sockets:
            each.close()


def _is_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def said(connection: socket.socket) -> bytes:
    """What the service says next; empty if it has ended the connection."""
    try:
        async with asyncio.timeout(10):
            return await asyncio.get_running_loop().sock_recv(connection, 1_000)
    except ConnectionError:
        return b""


@pytest.fixture
def server(own_redis: Callable[..., EmbeddedRedis]) -> EmbeddedRedis:
    return own_redis(port=None)


@pytest_asyncio.fixture
async def service(server: EmbeddedRedis, queue_name: str, api: Simulator) -> AsyncIterator[Running]:
    async with running(settings(server.url, queue_name, api, admin_token=TOKEN)) as found:
        await found.shows('forwarder_lease_held{shard="0"} 1.0')
        yield found


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    found = Client(port_of(service.url))
    yield found
    found.close()


@fault(
    "input",
    "thousands of new connections a second to the admin address, from the address of the probes and from another one",
    "each probe is answered; an open page of another address stays connected",
    keeps=[7],
)
async def test_thousands_of_new_connections_keep_no_probe_out(client: Client) -> None:
    page = client.open()
    page.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await said(page)).startswith(b"HTTP/1.1 200 ")
    for number in range(10):
        # While a probe is served, up to 200 more are accepted.
        source = f"127.0.0.{2 + number % 2}"
        client.open(150, source=source)
        probe = client.open(source=source)
        client.open(150, source=source)
        await eventually(lambda probe=probe: _writable(probe))  # type: ignore[misc]
        probe.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await said(probe)).startswith(b"HTTP/1.1 200 "), number
    page.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await said(page)).startswith(b"HTTP/1.1 200 ")
    # A second later, those that say nothing are gone.
    await eventually(lambda: client.ended >= len(client.sockets) - 100)
    assert not _is_ended(page)


def _writable(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and connection.getpeername() is not None


@fault(
    "input",
    "hundreds of idle connections to the admin address while an owner resumes or replays",
    "the action goes on and its answer arrives; idle connections end instead",
    keeps=[1, 7],
)
async def test_idle_connections_do_not_cut_off_an_action_under_way(client: Client, server: EmbeddedRedis) -> None:
    owner, other = client.open(), client.open()
    os.kill(server.pid, signal.SIGSTOP)  # so that the action takes as long as this test wants
    try:
        owner.send(RESUME)

        async def busy() -> bool:
            other.send(RESUME)
            return b" 409 " in await said(other)

        await eventually(busy)
        client.open(300)
        await eventually(lambda: client.ended >= 200)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    answer = await said(owner)
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"done": "The service was neither halted nor paused."}
