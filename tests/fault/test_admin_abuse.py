"""Who reaches the admin port may ask too much, too slowly and nonsense: events flow on, and probes are answered."""

import asyncio
import gzip
import re
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest_asyncio
from redis.asyncio import Redis

from forwarder.admin import assets
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.service import WorkerProcess, event, eventually, fetch, port_of, settings, settled

Start = Callable[..., WorkerProcess]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

TOKEN = "a-token-of-this-test"


class Attacked:
    """A worker, and connections to its admin port."""

    def __init__(self, process: WorkerProcess, address: str) -> None:
        self.process = process
        self.address = address
        self._stack = AsyncExitStack()

    @asynccontextmanager
    async def connected(self, *first: bytes) -> AsyncIterator[Stream]:
        """One connection, over which something was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(self.address))
        try:
            with suppress(ConnectionError):  # the service has heard enough
                writer.writelines(first)
                await writer.drain()
            yield reader, writer
        finally:
            writer.transport.abort()

    @property
    def lines(self) -> list[str]:
        """Of its log, but for the line that it writes once a minute by itself."""
        return [line for line in self.process.log.read_text().splitlines() if '"summary"' not in line]

    @property
    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.process.pid}/fd").iterdir())

    @property
    def unread(self) -> int:
        """Bytes that the kernel holds of answers, as nobody reads them."""
        port = f":{port_of(self.address):04X}"
        lines = Path(f"/proc/{self.process.process.pid}/net/tcp").read_text().splitlines()[1:]
        mine = [fields for line in lines if (fields := line.split())[1].endswith(port)]
        return sum(int(fields[4].partition(":")[0], 16) for fields in mine)

    async def works(self, redis: Redis, queue: str) -> None:
        """Events flow, and probes are answered."""
        await redis.rpush(queue, event("u", 1), event("v", 2))
        await settled(redis, queue)
        assert [(await fetch(self.address + path))[0] for path in ("/livez", "/readyz")] == [200, 200]


@pytest_asyncio.fixture
async def attacked(redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start) -> Attacked:
    process = worker(settings(redis_url, queue_name, api, admin_token=TOKEN), fresh=True)
    found = Attacked(process, await process.admin())
    await found.works(redis_client, queue_name)
    return found


async def test_it_listens_on_loopback_alone_unless_told_otherwise(attacked: Attacked) -> None:
    """As the kernel says: nothing of the process listens anywhere else, by IPv4 or IPv6."""
    folder = Path(f"/proc/{attacked.process.process.pid}")
    links = []
    for each in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since: the connection of a probe
            links.append(str(each.readlink()))
    mine = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    listening = {
        fields[1]
        for name in ("tcp", "tcp6", "udp", "udp6")
        for line in (folder / "net" / name).read_text().splitlines()[1:]
        if (fields := line.split())[9] in mine and fields[2].split(":")[1] == "0000"
    }
    assert listening == {f"0100007F:{port_of(attacked.address):04X}"}


async def test_thousands_of_connections_leave_descriptors_for_events_and_probes(
    attacked: Attacked, redis_client: Redis, queue_name: str
) -> None:
    """Half of them say nothing, and half never come to the end of a request's head."""
    before = attacked.descriptors
    _, hard = resource.prlimit(attacked.process.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(attacked.process.process.pid, resource.RLIMIT_NOFILE, (before + 400, hard))
    async with AsyncExitStack() as stack:
        for number in range(1_500):
            said = [b"GET / HTTP/1.1\r\nX: y\r\n"] if number % 2 else []
            await stack.enter_async_context(attacked.connected(*said))
        await eventually(lambda: attacked.descriptors <= before + 105)
        await attacked.works(redis_client, queue_name)


async def test_heads_and_bodies_that_never_end_take_little_memory(
    attacked: Attacked, redis_client: Redis, queue_name: str
) -> None:
    before, line = attacked.process.peak, b"X: " + b"x" * 8_000 + b"\r\n"
    wordy = (b"GET / HTTP/1.1\r\n", line * 120)
    post = b"POST /replay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    endless = (post, b"Transfer-Encoding: chunked\r\n\r\n", (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 40)
    packed = gzip.compress(b"0" * 50_000_000)
    head = b"Authorization: Bearer %b\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    bomb = (post, head % (TOKEN.encode(), len(packed)), packed)
    async with AsyncExitStack() as stack:
        for said in [wordy] * 150 + [endless] * 10:
            await stack.enter_async_context(attacked.connected(*said))
        for _ in range(5):
            reader, _ = await stack.enter_async_context(attacked.connected(*bomb))
            assert b" 413 " in await reader.readline()
        await attacked.works(redis_client, queue_name)
    assert attacked.process.peak - before < 64 * 1024 * 1024


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"s3cr3t / HTTP/1.1 s3cr3t\r\n\r\n",
    b"GET /\x1b[2Js3cr3t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[s3cr3t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET //s3cr3t:s3cr3t/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /s3cr3t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"s3cr3t / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT s3cr3t:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: s3cr3t\r\n\r\n",
    b"GET /s3cr3t HTTP/1.1\r\nHost: localhost\r\nExpect: s3cr3t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\ns3cr3t\x00: s3cr3t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: s3cr3t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: s3cr3t" + b"x" * 100_000 + b"\r\n\r\n",
    b"POST /resume HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n\r\n",
    b"POST /resume HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: s3cr3t\r\n\r\ns3cr3t\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: s3cr3t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET s3cr3t s3cr3t\r\n\r\n",
    b"GET /s3cr3t HTTP/1.1\r\n\r\n",
    b"GET /s3cr3t HTTP/1.0\r\n\r\n",
]


@fault(
    "input",
    "requests to the admin address that are not HTTP, or nearly",
    "an answer that repeats nothing of them and has the headers of every answer; no line in the log",
    keeps=[7],
)
async def test_what_is_no_request_costs_no_line_in_the_log_and_is_not_repeated(
    attacked: Attacked, redis_client: Redis, queue_name: str
) -> None:
    before = attacked.lines
    for said in GARBAGE * 4:
        async with attacked.connected(said) as (reader, _):
            answer = await asyncio.wait_for(reader.read(100_000), 20)
            assert re.match(rb"HTTP/1.\d [24]\d\d ", answer), (said[:40], answer)
            assert b"s3cr3t" not in answer, (said[:40], answer)
            for name, value in assets.HEADERS.items():
                assert f"\r\n{name}: {value}\r\n".encode() in answer, (said[:40], answer)
    await attacked.works(redis_client, queue_name)
    assert attacked.lines == before


async def test_who_does_not_read_the_answers_does_not_keep_the_service_from_ending(attacked: Attacked) -> None:
    ask = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with attacked.connected() as (_, writer):
        writer.transport.set_write_buffer_limits(high=0)
        # Answers of some megabytes are more than two sockets hold, so one of them is being written for ever.
        for _ in range(2_000):
            writer.write(ask)
        seen = [0]

        def stuck() -> bool:
            seen.append(attacked.unread)
            return seen[-1] > 0 and seen[-20:] == seen[-1:] * 20

        await eventually(stuck)
        assert await attacked.process.stopped(within=8) == 0


async def test_a_wrong_token_is_told_nothing_more_for_being_almost_right(attacked: Attacked) -> None:
    """Neither by what is said nor by its headers."""
    said = []
    for token in (TOKEN[:-1], "x" * len(TOKEN)):
        head = b"GET /letters.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
        async with attacked.connected(head) as (reader, _):
            answer = await reader.readuntil(b"}")
            said.append(re.sub(rb"Date: .*\r\n", b"", answer))
    assert said[0] == said[1]
    assert b" 401 " in said[0]
