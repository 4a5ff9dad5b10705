"""A push that does not come to its end says how far it came, and nothing is pushed by half."""

import asyncio
import gzip
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from tests.support.faults import fault
from tests.support.service import command, event, eventually

LINES = [event("u", n) + b"\n" for n in range(8_000)]
ELEMENTS = [line.rstrip() for line in LINES]


async def pushing(url: str, queue: str) -> asyncio.subprocess.Process:
    """`forwarder push -` that has pushed 3,000 lines or more, and may wait for the rest of a batch."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "forwarder", "push", "-"),
        env={**os.environ, "NO_COLOR": "1", "FORWARDER_REDIS_URL": url, "FORWARDER_QUEUE": queue},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(b"".join(LINES[:3_500]))
    await process.stdin.drain()
    async with Redis.from_url(url) as redis:

        async def pushed() -> bool:
            return bool(await redis.llen(queue) >= 3_000)

        await eventually(pushed)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@fault(
    "producer",
    "`forwarder push` is interrupted (SIGINT, SIGTERM)",
    "the command ends at once and names the next line",
    keeps=(1,),
)
async def test_an_interrupted_push_names_the_line_to_go_on_with(
    redis_url: str, redis_client: Redis, queue_name: str, number: int
) -> None:
    process = await pushing(redis_url, queue_name)
    process.send_signal(number)
    # Its standard input stays open: the signal alone ends the read.
    await asyncio.wait_for(process.wait(), 20)
    assert process.stderr
    text = (await process.stderr.read()).decode()
    assert process.returncode == 128 + number, text
    found = re.search(r"interrupted; .*Lines 1 to (\d+) were handled; continue from line (\d+)", text)
    assert found, text
    done = int(found[1])
    assert await redis_client.lrange(queue_name, 0, -1) == ELEMENTS[:done]
    rest = b"".join(LINES[int(found[2]) - 1 : 4_000])
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}
    assert (await command("push", "-", environment=given, stdin=rest))[0] == 0
    assert await redis_client.lrange(queue_name, 0, -1) == ELEMENTS[:4_000]


@fault(
    "producer",
    "Redis stops half way through `forwarder push`",
    "the command names the lines that may have been pushed",
    keeps=(1,),
)
async def test_a_push_that_loses_its_redis_says_what_became_of_which_lines(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str
) -> None:
    server = own_redis(port=None, appendonly=True, arguments=["--appendfsync", "always"])
    process = await pushing(server.url, queue_name)
    server.kill()
    _, problem = await asyncio.wait_for(process.communicate(b"".join(LINES[3_500:])), 30)
    found = re.search(r"([\d,]+) events were pushed; lines (\d+) to (\d+) (were not|may)", problem.decode())
    assert found, problem
    assert process.returncode == 1
    sure, first, last = (int(each.replace(",", "")) for each in found.groups()[:3])
    server.restart()
    async with Redis.from_url(server.url) as redis:
        there = await redis.lrange(queue_name, 0, -1)
    assert first == sure + 1
    assert there in (ELEMENTS[:sure], ELEMENTS[: last if found[4] == "may" else sure]), "all of them, or none"


@fault(
    "producer",
    "a damaged gzip file is pushed",
    "what can be read is pushed; the command names the next line",
    keeps=(1,),
)
async def test_a_file_that_ends_too_soon_is_pushed_as_far_as_it_goes(
    redis_url: str, redis_client: Redis, queue_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson.gz"
    whole = gzip.compress(b"".join(LINES))
    file.write_bytes(whole[: len(whole) // 2])
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}
    code, _, problem = await command("push", str(file), environment=given)
    found = re.search(r"reading stopped: .*Lines 1 to (\d+) were handled", problem)
    assert (code, bool(found)) == (1, True), problem
    assert found
    assert int(found[1]) > 1_000
    assert f"the gzip data ends too soon; {int(found[1]):,} events were pushed." in problem
    assert await redis_client.lrange(queue_name, 0, -1) == ELEMENTS[: int(found[1])]


async def test_a_closed_standard_input_is_said_so() -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$0" -m forwarder push - <&-', sys.executable), stderr=asyncio.subprocess.PIPE
    )
    _, problem = await process.communicate()
    assert (process.returncode, b"standard input is closed" in problem) == (78, True), problem
