"""What goes wrong: workers, Redis, the connection between them, and the API, one after the other, by one seed."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Outage, RandomAnswer, Refusal, Simulator
from tests.support.servers.proxy import Proxy
from tests.support.service import WorkerProcess, environment

#: Seconds that a worker may be frozen: up to twice the lease.
_LONGEST_FREEZE = 6.0
_REFUSED = (Refusal(member="bad"),)


@dataclass(frozen=True)
class Disturbance:
    """One thing that was done, from when to when, on the monotonic clock in seconds."""

    kind: str
    since: float
    until: float


@dataclass
class Chaos:
    """Runs two workers on one Redis and disturbs everything."""

    dice: random.Random
    server: EmbeddedRedis
    proxy: Proxy
    api: Simulator
    given: Settings
    folder: Path
    workers: list[WorkerProcess] = field(default_factory=list)
    done: list[Disturbance] = field(default_factory=list)
    peak_rss: int = 0
    _started: int = 0

    def start_worker(self) -> None:
        """One more `forwarder run`."""
        self._started += 1
        self.workers.append(WorkerProcess(environment(self.given), self.folder / f"worker-{self._started}.log"))

    async def run(self, seconds: float) -> None:
        """Disturbs for so long, with a second or two of peace between."""
        end = time.monotonic() + seconds
        kinds: list[Callable[[], Awaitable[None]]] = [
            self._kill,
            self._freeze,
            self._stop,
            self._restart_redis,
            self._kill_clients,
            self._flush_scripts,
            self._cut,
            self._go_dark,
            self._api_errs,
            self._api_errs,
            self._api_is_down,
        ]
        while time.monotonic() < end:
            await asyncio.sleep(self.dice.uniform(0.3, 2.0))
            disturb = self.dice.choice(kinds)
            since = time.monotonic()
            await disturb()
            self.done.append(Disturbance(disturb.__name__.strip("_").replace("_", " "), since, time.monotonic()))

    def calm(self) -> None:
        """The API is well again; events that it refuses it still refuses."""
        self.api.faults = Faults(latency=0.01, latency_jitter=0.02, refuse=_REFUSED)

    def note_memory(self) -> None:
        """Remembers the largest resident size (bytes) of any worker."""
        for worker in self.workers:
            status = Path(f"/proc/{worker.process.pid}/status")
            if status.exists():
                lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
                self.peak_rss = max([self.peak_rss, *(int(line.split()[1]) * 1024 for line in lines)])

    def _any(self) -> WorkerProcess:
        self.note_memory()
        return self.dice.choice(self.workers)

    async def _kill(self) -> None:
        victim = self._any()
        victim.kill()
        self.workers.remove(victim)
        self.start_worker()

    async def _freeze(self) -> None:
        victim = self._any()
        os.kill(victim.process.pid, signal.SIGSTOP)
        await asyncio.sleep(self.dice.uniform(0.1, _LONGEST_FREEZE))
        os.kill(victim.process.pid, signal.SIGCONT)

    async def _stop(self) -> None:
        victim = self._any()
        await victim.stopped(within=60)
        self.workers.remove(victim)
        self.start_worker()

    async def _restart_redis(self) -> None:
        self.server.kill()
        await asyncio.sleep(self.dice.uniform(0, 1))
        await asyncio.to_thread(self.server.restart)

    async def _kill_clients(self) -> None:
        await self._ask(lambda redis: redis.client_kill_filter(_type="normal", skipme=True))

    async def _flush_scripts(self) -> None:
        await self._ask(lambda redis: redis.script_flush())

    async def _ask(self, command: Callable[[Redis], Awaitable[object]]) -> None:
        async with Redis.from_url(self.server.url) as redis:
            try:
                await command(redis)
            except RedisError as error:
                print(f"could not disturb: {error}")

    async def _cut(self) -> None:
        self.proxy.cut()

    async def _go_dark(self) -> None:
        self.proxy.black_hole = True
        await asyncio.sleep(self.dice.uniform(0.1, 4))
        self.proxy.black_hole = False

    async def _api_errs(self) -> None:
        self.api.faults = Faults(
            latency=0.01,
            latency_jitter=self.dice.choice([0.02, 0.3]),
            refuse=_REFUSED,
            statuses=(RandomAnswer(status=self.dice.choice([429, 500, 503]), rate=self.dice.uniform(0, 0.5)),),
            reset_before_rate=self.dice.choice([0, 0.05]),
            reset_after_rate=self.dice.choice([0, 0.05]),
            hang_rate=self.dice.choice([0, 0.02]),
        )
        await asyncio.sleep(self.dice.uniform(1, 4))
        self.calm()

    async def _api_is_down(self) -> None:
        self.api.faults = Faults(outage=Outage(for_=1e9, mode=self.dice.choice(["503", "refuse", "hang"])))
        await asyncio.sleep(self.dice.uniform(0.5, 4))
        self.calm()
