"""The basis of the larger tests: a worker in this process or in one of its own, and ways to wait for a condition."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from redis.asyncio import Redis

from forwarder import config
from forwarder.queue.census import Census
from forwarder.queue.keys import Keys, Side
from forwarder.queue.queue import QueueList
from forwarder.service import Service
from forwarder.simulator import Simulator
from forwarder.worker.condition import State
from tests.support.processes import Fork, Process, output_of

KEY = "a-key-that-must-not-show"


async def eventually(holds: Callable[[], Any], *, within: float = 20.0, what: str = "", pause: float = 0.02) -> Any:
    """Waits until `holds()` (or what it awaits) is true and returns that; fails after `within` seconds.

    What it awaits costs a server something, so the pause after that grows, up to a tenth of a second.
    """
    deadline = time.monotonic() + within
    while True:
        value = holds()
        if asyncio.iscoroutine(value):
            value = await value
            pause = min(1.3 * pause, max(pause, 0.1))
        if value:
            return value
        assert time.monotonic() < deadline, f"did not come about within {within} s: {what or holds}"
        await asyncio.sleep(pause)


def free_port() -> int:
    """A port of this machine that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def port_of(url: str) -> int:
    """The port in a URL of Redis or of HTTP."""
    port = urlsplit(url).port
    assert port is not None, url
    return port


def settings(url: str, queue: str, simulator: Simulator, **others: object) -> config.Settings:
    """Settings for tests against the stand-in: short backoffs, no linger, no rate limit."""
    values: dict[str, object] = {
        "redis_url": url,
        "queue": queue,
        "api_url": simulator.url,
        "api_key": KEY,
        "rate_limit": 0,
        "linger": 0.0,
        "retry_initial": 0.02,
        "retry_max": 0.1,
        "request_timeout": 2.0,
        "lease_ttl": 5.0,
        "admin_port": 0,
        **others,
    }
    if "api_key_file" in others:
        del values["api_key"]
    return config.load({}, **values)


class Running:
    """A service that runs in this process."""

    def __init__(self, service: Service, task: asyncio.Task[None], port: int) -> None:
        self.service = service
        self.task = task
        self.url = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of an admin page."""
        return await fetch(self.url + path)

    async def shows(self, line: str, *, within: float = 20.0) -> None:
        """Waits until the metrics have a line; the service counts what Redis has done once the reply is there."""

        async def shown() -> bool:
            return line in (await self.get("/metrics"))[1].splitlines()

        await eventually(shown, within=within, what=line)


async def fetch(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@contextlib.asynccontextmanager
async def running(given: config.Settings) -> AsyncIterator[Running]:
    """Runs a service while entered; stops it in good order."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    service = Service(given, started=started.set_result)
    task = asyncio.create_task(service.run())
    both: set[asyncio.Future[Any]] = {started, task}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        await task
    try:
        yield Running(service, task, started.result())
    finally:
        if not task.done():
            service.stop()
        await task


class WorkerProcess:
    """`forwarder run` as a process of its own; its log lines are read as JSON."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        fresh: bool = False,
        stderr: int | None = None,
        first: Callable[[], object] | None = None,
    ) -> None:
        """Starts it.

        Args:
            environment: its settings, beside the environment of the tests.
            log: the file of its standard output and standard error.
            fresh: in an interpreter of its own (see :mod:`tests.support.processes`).
            stderr: a descriptor instead of `log`.
            first: runs in the process before anything; it is then a fresh one.
        """
        self.log = log
        everything = {**os.environ, **environment}
        self.process: Process
        with log.open("ab") as stream:
            if fresh or first is not None:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "forwarder", "run"],
                    env=everything,
                    stderr=stream if stderr is None else stderr,
                    stdout=stream,
                    preexec_fn=first,  # noqa: PLW1509 - no other thread holds a lock that it needs
                )
            else:
                out = stream.fileno()
                self.process = Fork(["run"], everything, stdin=0, stdout=out, stderr=out if stderr is None else stderr)

    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    @property
    def peak(self) -> int:
        """The most bytes of memory that it has ever had (VmHWM, proc(5)); for a fresh interpreter only."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    @property
    def state(self) -> str:
        """The latest state in its log. Other lines may follow, such as the summary that is logged once a minute."""
        events = [str(line["event"]) for line in self.lines()]
        return next((event for event in reversed(events) if event in set(State)), "")

    async def admin(self) -> str:
        """The address of its admin pages, once it listens."""

        def address() -> str | None:
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            return next((line["admin"] for line in reversed(self.lines()) if "admin" in line), None)

        return str(await eventually(address, what="the worker listens"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def stopped(self, number: int = signal.SIGTERM, within: float = 15.0) -> int:
        """Sends a signal and waits for the end; returns the exit code."""
        self.process.send_signal(number)
        await eventually(lambda: self.process.poll() is not None, within=within, what="the worker ends")
        return self.process.wait()


def environment(given: config.Settings) -> dict[str, str]:
    """The settings as environment variables of another process."""
    found = {}
    for name in given.model_fields_set:
        value = getattr(given, name)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if plain is not None:
            found[f"FORWARDER_{name.upper()}"] = str(int(plain) if isinstance(plain, int) else plain)
    return found


def event(user: object, number: int, **members: object) -> bytes:
    """An event with a number, which makes it unique."""
    return json.dumps(
        {"user_id": user, "name": "test", "date": "2016-09-11T18:04:23Z", "n": number, **members}
    ).encode()


def body(element: bytes) -> bytes:
    """The part of an event made by :func:`event` that the API gets."""
    members = json.loads(element)
    del members["user_id"]
    return json.dumps(members).encode()


async def push(redis: Redis, queue: str, elements: Sequence[bytes], side: Side = "left") -> int:
    """Pushes as a producer in any language may, whatever the bytes. Returns how many events now wait."""
    return int(await (redis.rpush if side == "left" else redis.lpush)(queue, *elements))


async def census(redis: Redis, queue: str) -> Census:
    return await QueueList(redis, Keys(queue)).census()


async def settled(redis: Redis, queue: str, *, within: float = 20.0) -> Census:
    """Waits until nothing waits and nothing is claimed."""

    async def done() -> Census | None:
        now = await census(redis, queue)
        return None if now.waiting or now.claimed else now

    found: Census = await eventually(done, within=within, what="the queue is drained")
    assert not any(found.imbalances.values()), found
    return found


def same_json(left: Iterable[bytes], right: Iterable[bytes]) -> bool:
    return [json.loads(x) for x in left] == [json.loads(x) for x in right]


PURCHASES = files("forwarder.demo") / "data" / "cdnow-purchases.ndjson.gz"


def purchases(count: int) -> list[bytes]:
    """The shop's first `count` purchases, each made distinct by a member `n`."""
    with PURCHASES.open("rb") as packed, gzip.open(packed) as stream:
        lines = list(islice(stream, count))
    return [line.rstrip()[:-1] + b',"n":%d}' % n for n, line in enumerate(lines)]


def by_user(elements: Iterable[bytes]) -> dict[str, list[int]]:
    """The numbers (member `n`) of each user's events, in order."""
    found: dict[str, list[int]] = {}
    for element in elements:
        members = json.loads(element)
        found.setdefault(members["user_id"], []).append(members["n"])
    return found


def accepted(simulator: Simulator) -> dict[str, list[int]]:
    """The events that the stand-in accepted: each user's numbers in order, repetitions included."""
    ledger = simulator.ledger
    return {user: [json.loads(event)["n"] for event in ledger.events(user)] for user in ledger.users()}


async def command(*arguments: str, environment: Mapping[str, str], stdin: bytes = b"") -> tuple[int, str, str]:
    """Runs `forwarder ...` to its end: exit code, standard output, standard error."""
    everything = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment}
    return await output_of(arguments, everything, stdin)


async def fresh_command(*arguments: str, environment: Mapping[str, str], stdin: bytes = b"") -> tuple[int, str, str]:
    """The same in a fresh interpreter, as a shell starts the installed command."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("forwarder"),
        *arguments,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
