"""A queue with servers and workers of its own, and what a scenario or an operator does with them."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Simulator
from tests.support.service import KEY, WorkerProcess, command, eventually

#: Generous: a loaded machine only makes the wait longer.
PATIENCE = 60.0
#: Events per second that the producers of a scenario push.
_LOAD = 40


class Stage:
    """One queue on a Redis, with the stand-in API. All settings but the addresses and the key are the defaults.

    Attributes:
        workers: those that run, in the order in which they were started.
    """

    def __init__(self, server: EmbeddedRedis, directory: Path, queue: str) -> None:
        self.server = server
        self.directory = directory
        self.queue = queue
        self.api = Simulator(KEY, keep_requests=False)
        self.redis = Redis.from_url(server.url)
        self.workers: list[WorkerProcess] = []
        self.others: dict[str, str] = {}
        #: The name of some more events that the producer pushes: one of six.
        self.also = ""
        self._producing: asyncio.Task[None] | None = None
        self._enough = asyncio.Event()
        self._pushed = self._started = 0

    @property
    def key_file(self) -> Path:
        return self.directory / "key"

    @property
    def environment(self) -> dict[str, str]:
        """The settings, for workers and commands."""
        return {
            "FORWARDER_REDIS_URL": self.server.url,
            "FORWARDER_QUEUE": self.queue,
            "FORWARDER_API_URL": self.api.url,
            "FORWARDER_API_KEY_FILE": str(self.key_file),
            "FORWARDER_ADMIN_PORT": "0",
            **self.others,
        }

    async def start(self, **others: str) -> WorkerProcess:
        """Starts a worker, and waits until its page can be opened."""
        self.others |= others
        worker = WorkerProcess(self.environment, self.directory / f"worker-{self._started}.log")
        self._started += 1
        self.workers.append(worker)
        await worker.admin()
        return worker

    async def push(self, count: int, users: int = 50, **members: Any) -> None:
        numbers = range(self._pushed, self._pushed + count)
        self._pushed += count
        events = [{"user_id": f"u{number % users}", "name": "visit", "n": number, **members} for number in numbers]
        await self.redis.rpush(self.queue, *map(json.dumps, events))

    async def produce(self) -> None:
        """Pushes from now on. Returns once the API has accepted some."""
        self._producing = asyncio.create_task(self._produce())
        await eventually(lambda: self.api.ledger.accepted_events > _LOAD, within=PATIENCE, what="events arrive")

    async def _produce(self) -> None:
        while not self._enough.is_set():
            await self.push(_LOAD // 4)
            if self.also:
                await self.push(2, name=self.also)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await self._enough.wait()

    async def stop_producing(self) -> None:
        """Ends the producer after the push that it has begun: a client of Redis may swallow a cancellation."""
        self._enough.set()
        if self._producing is not None:
            await asyncio.wait({self._producing})

    def heal(self) -> None:
        """The API answers as it should."""
        self.api.faults = Faults()

    async def run(self, line: str) -> str:
        """Runs a command of `forwarder` that a page or a command shows, as it stands there; it must succeed."""
        program, *arguments = shlex.split(line)
        assert program == "forwarder", line
        code, out, err = await command(*arguments, environment=self.environment)
        assert code == 0, (line, code, out, err)
        return out

    async def redis_cli(self, line: str) -> None:
        """Does what a `redis-cli` command that is shown does, with this Redis."""
        program, *words = shlex.split(line)
        assert program == "redis-cli", line
        await self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def idle(self) -> None:
        """Waits until nothing waits and nothing is claimed."""

        async def done() -> bool:
            left = await self.redis.llen(self.queue) + await self.redis.hlen(f"{{{self.queue}}}:claimed")
            return not left

        await eventually(done, within=PATIENCE, what="the queue is drained")


def commands(steps: list[str]) -> list[str]:
    """The commands in steps that are shown to a person, in their order."""
    return [found for step in steps for found in re.findall(r"`((?:forwarder|redis-cli) [^`]+)`", step)]


@asynccontextmanager
async def stage(server: EmbeddedRedis, directory: Path, queue: str) -> AsyncIterator[Stage]:
    """A stage whose API runs and accepts the key in the file. Everything that was started ends with it."""
    made = Stage(server, directory, queue)
    made.key_file.write_text(KEY)
    async with made.redis, made.api:
        try:
            yield made
        finally:
            await made.stop_producing()
            for worker in made.workers:
                worker.kill()
