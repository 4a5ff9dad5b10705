"""`forwarder status --watch` in a terminal, in a pipe, and while Redis is away."""

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Mapping

import pytest

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.totals import Totals
from tests.support.processes import Fork
from tests.support.service import event, eventually
from tests.support.terminal import Terminal
from tests.support.world import World

WATCH = ["status", "--watch", "--every", "0.1"]


def of_a_terminal(url: str, queue: str, **others: str) -> dict[str, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**usual, "TERM": "xterm", "FORWARDER_REDIS_URL": url, "FORWARDER_QUEUE": queue, **others}


def shows(terminal: Terminal, *words: str) -> Callable[[], bool]:
    return lambda: all(word in "\n".join(terminal.lines()) for word in words)


def age(terminal: Terminal) -> int:
    found = re.search(r"are (\d+) s old", "\n".join(terminal.lines()))
    return int(found[1]) if found else -1


async def pieces(arguments: list[str], environment: Mapping[str, str], ends: bytes, count: int) -> list[str]:
    """What a command writes into a pipe, until `ends` has come `count` times. Then nobody reads it any more."""
    reader, writer = os.pipe()
    process = Fork(arguments, environment, stdin=0, stdout=writer, stderr=writer)
    os.close(writer)
    text = b""
    try:
        async with asyncio.timeout(20):
            while text.count(ends) < count:
                text += await asyncio.to_thread(os.read, reader, 65_536)
            os.close(reader)
            assert await process.ended() == 1
    finally:
        process.kill()
    return text.decode().split(ends.decode())[:count]


async def test_a_terminal_shows_it_in_place_and_is_given_back_as_it_was(world: World) -> None:
    queue = Queue(world.redis, world.queue, 1)
    with Terminal(WATCH, of_a_terminal(world.url, world.queue), width=60, height=30) as terminal:
        await eventually(shows(terminal, "No worker is running", "backlog             0", "Ctrl-C ends it"))
        assert (terminal.alternate, terminal.cursor) == (True, False)
        await world.push(event("u", 1), event("u", 2))
        await eventually(shows(terminal, "2 events wait.", "backlog             2"))
        terminal.resize(100, 8)
        await eventually(
            shows(terminal, "Nothing is sent. Events can be pushed, and they wait in Redis.", "more lines: make")
        )
        await queue.write_halt(HaltRecord("credentials", "the API answered 401", "2024-01-01T00:00:00Z", "f"))
        await eventually(shows(terminal, "Halted: the API refuses the key since 2024-01-01T00:00:00Z"))
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.process.ended() == 77
        assert "events        2        2        0" in "\n".join(terminal.lines()).replace(world.queue, "events")
        assert (terminal.alternate, terminal.cursor) == (False, True)
        assert "Traceback" not in terminal.written
        frames = terminal.written.split("\x1b[1;1H")[1:-1]
        assert not any("\x1b[2J" in frame for frame in frames), "a screen that is cleared flickers"


async def test_a_pipe_gets_one_block_after_the_other_and_json_line_by_line(world: World) -> None:
    given = of_a_terminal(world.url, world.queue)
    await world.push(event("u", 1))
    (_, *blocks), lines = await asyncio.gather(
        pieces(WATCH, given, b" UTC\n", 3), pieces([*WATCH, "--json"], given, b"\n", 2)
    )
    for block in blocks:
        assert block.startswith(f"{world.queue}\n\nNo worker is running\n")
        assert re.search(r"\n\n20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$", block)
        assert "\x1b" not in block
    assert [json.loads(line)["findings"][0]["reason"] for line in lines] == ["no_worker", "no_worker"]


async def test_a_dumb_terminal_gets_blocks_too_and_an_old_one_gets_ascii(world: World) -> None:
    past = [Totals(time.time() - 15 * ago, 9, 0, 0, 0, 0, 0, 0).text for ago in range(10, 0, -1)]
    await world.redis.rpush(QueueKeys(world.queue).past, *past)
    given = of_a_terminal(world.url, world.queue, TERM="dumb", PYTHONIOENCODING="ascii")
    with Terminal(WATCH, given, width=80, height=60) as terminal:
        await eventually(lambda: "\n".join(terminal.lines()).count("No worker is running") == 2)
        terminal.process.send_signal(signal.SIGTERM)
        assert await terminal.process.ended() == 0
    assert "\x1b" not in terminal.written
    assert "######" in terminal.written
    assert terminal.written.isascii()


@pytest.mark.long
async def test_while_redis_is_away_it_says_so_in_place_and_goes_on(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str
) -> None:
    server = own_redis(port=None, appendonly=True)
    with Terminal(WATCH, of_a_terminal(server.url, queue_name), width=120, height=24) as terminal:
        await eventually(shows(terminal, "No worker is running", "backlog             0"))
        server.kill()
        await eventually(shows(terminal, "Redis is unavailable", "backlog             0"))
        await eventually(shows(terminal, "refused the connection. Is it running? (FORWARDER_REDIS_URL)"))
        before = age(terminal)
        await eventually(lambda: age(terminal) >= before + 2)
        server.restart()
        await eventually(shows(terminal, "No worker is running"))
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.process.ended() == 0
    assert "Traceback" not in terminal.written


async def test_a_redis_that_does_not_answer_is_named_while_it_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        given = of_a_terminal(f"redis://:a-password@127.0.0.1:{port}/0", "events")
        with Terminal(["status"], given, width=80, height=10) as terminal:
            said = shows(terminal, f"forwarder: waiting up to 5 s for Redis at redis://127.0.0.1:{port}/0")
            await eventually(said, within=4)
            assert "a-password" not in terminal.written
