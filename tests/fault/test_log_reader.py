"""A log that cannot be written: its reader does not read, or its disk is full for a while."""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.service import WorkerProcess, event, eventually, fetch, free_port, settings, settled

Start = Callable[..., WorkerProcess]

#: POSTs whose debug lines are more than the process keeps for a reader that does not read.
POSTS = 700


class Pipe:
    """A pipe that is full from the beginning, so that the first line does not fit in."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(self.writer, b"\n" * 4096)

    def read_on(self) -> IO[bytes]:
        """From now on, somebody reads: everything that is in the pipe, and what comes."""
        os.set_blocking(self.reader, False)
        return os.fdopen(os.dup(self.reader), "rb", buffering=0)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reader)
    os.close(made.writer)


@fault(
    "machine",
    "the reader of the log is alive but does not read",
    "log lines are counted as dropped, events are sent; the log says later how many lines are missing",
    keeps=(1, 2, 3, 7),
)
async def test_a_reader_that_does_not_read_costs_log_lines_and_nothing_else(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, pipe: Pipe
) -> None:
    port = free_port()
    admin = f"http://127.0.0.1:{port}"
    pushed = [event(f"u{n % 200}", n) for n in range(POSTS)]
    await redis_client.rpush(queue_name, *pushed)
    given = {"max_events_per_post": 1, "lease_ttl": 3.0, "request_timeout": 1.2, "admin_port": port}
    process = worker(settings(redis_url, queue_name, api, log_level="debug", **given), stderr=pipe.writer)
    await eventually(lambda: redis_client.exists(Keys(queue_name).lease))
    owner, since = await redis_client.get(Keys(queue_name).lease), time.monotonic()
    await settled(redis_client, queue_name)
    await eventually(lambda: time.monotonic() > since + 3.5, what="the lease would have expired")
    assert await redis_client.get(Keys(queue_name).lease) == owner
    written = b""
    with pipe.read_on() as reader:

        def told() -> bool:
            nonlocal written
            written += reader.read(65_536) or b""
            return b"log lines were lost" in written

        await eventually(told, what="the log says so")
    lines: list[dict[str, Any]] = [json.loads(line) for line in written.splitlines() if line]
    (lost,) = (line["lines"] for line in lines if line["event"].startswith("log lines were lost"))
    assert lost > 0
    assert sum(line["event"] == "POST accepted" for line in lines) + lost >= POSTS
    assert f"forwarder_log_lines_dropped_total {lost}.0" in (await fetch(admin + "/metrics"))[1].splitlines()
    assert await process.stopped() == 0
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


async def test_a_reader_that_never_reads_does_not_keep_the_process_from_stopping(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, pipe: Pipe
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    process = worker(settings(redis_url, queue_name, api, log_format="console"), stderr=pipe.writer)
    await settled(redis_client, queue_name)
    assert await process.stopped(signal.SIGTERM) == 0
    assert not await redis_client.exists(Keys(queue_name).lease)


async def test_the_last_lines_are_written_whatever_ends_the_process(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, pipe: Pipe
) -> None:
    """Its port is taken; the reader begins to read only then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = settings(redis_url, queue_name, api, admin_port=taken.getsockname()[1])
        process = worker(given, stderr=pipe.writer)
        with pipe.read_on() as reader:
            written = b""

            def ended() -> bool:
                nonlocal written
                written += reader.read(65_536) or b""
                return process.process.poll() is not None

            await eventually(ended)
            written += reader.read(65_536) or b""
    assert b"cannot listen on" in written
