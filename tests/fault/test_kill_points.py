"""SIGKILL, and SIGSTOP for longer than the lease, at each step of an event's journey; never by luck."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.queue import Queue
from forwarder.queue.wire import scripts
from forwarder.simulator import Answer, Faults, Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.servers.proxy import Proxy
from tests.support.service import (
    WorkerProcess,
    census,
    command,
    environment,
    event,
    eventually,
    port_of,
    settings,
    settled,
)

Start = Callable[[Settings], WorkerProcess]
Point = tuple[str, Literal["before", "after"]]

LEASE = 1.4
#: Seconds after which a worker gives a POST up.
_TIMEOUT = 0.6
USERS = 60
POINTS: list[Point] = [
    ("acquire", "before"),
    ("acquire", "after"),
    ("claimed_fields", "after"),
    ("claim", "before"),
    ("claim", "after"),
    ("POST", "before"),
    ("POST", "after"),
    ("settle", "before"),
    ("settle", "after"),
    ("renew", "before"),
    ("renew", "after"),
    ("release", "before"),
    ("release", "after"),
]
#: The short run tries these, the long run all others.
SOON: set[Point] = {
    ("claim", "after"),
    ("POST", "before"),
    ("POST", "after"),
    ("settle", "before"),
    ("settle", "after"),
}


def tried(points: list[Point]) -> list[Any]:
    return [
        pytest.param(point, id=f"{point[1]} {point[0]}", marks=() if point in SOON else pytest.mark.long)
        for point in points
    ]


@dataclass
class Scene:
    """A worker whose Redis is behind a proxy, one that will take over, and what the checker needs."""

    proxy: Proxy
    redis: Redis
    api: Simulator
    queue: str
    given: Settings
    direct: Settings
    pushed: list[bytes] = field(default_factory=list)
    stopped_at: float = 0.0

    async def reach(self, point: Point, victim: WorkerProcess) -> None:
        """Returns when the worker is just there, and nothing moves on."""
        step, when = point
        if step == "POST":
            await eventually(lambda: self.api.ledger.arrived > 0)
            await eventually(lambda: when == "before" or self.api.ledger.accepted_events > 0)
        else:
            if step == "release":
                await eventually(says(victim, "lease acquired"))
                victim.process.terminate()
            await eventually(self.proxy.reached.is_set, what=f"{when} {step}")
        self.stopped_at = self.api._clock()

    async def ends_well(self, until: float) -> None:
        await settled(self.redis, self.queue, within=40)
        history = await observed(
            self.pushed,
            self.api,
            self.redis,
            self.queue,
            disturbances=[self.stopped_at],
            unsettled=[(self.stopped_at - 1, until)],
            in_time=_TIMEOUT / 2,
        )
        assert check(history).faults == {}


@asynccontextmanager
async def scene(server: EmbeddedRedis, redis: Redis, api: Simulator, queue: str, point: Point) -> AsyncIterator[Scene]:
    for name in ("acquire", "claim", "claimed_fields", "settle", "renew", "release", "write_halt"):
        await redis.script_load(scripts.source(name))
    api.faults = {
        ("POST", "before"): Faults(hang_rate=1),
        ("POST", "after"): Faults(latency=30),
        ("renew", "before"): Faults(latency=0.2),
        ("renew", "after"): Faults(latency=0.2),
    }.get(point, Faults(latency=0.01))
    others = {"lease_ttl": LEASE, "request_timeout": _TIMEOUT, "max_events_per_post": 5}
    port = port_of(server.url)
    async with Proxy(port) as proxy:
        given = settings(proxy.url, queue, api, **others)
        now = Scene(proxy, redis, api, queue, given, settings(server.url, queue, api, **others))
        now.pushed = [event(f"u{n % USERS}", n) for n in range(1_200)]
        await redis.rpush(queue, *now.pushed)
        if point[0] != "POST":
            proxy.stop_at(point[0], point[1])
        yield now


def says(process: WorkerProcess, what: str) -> Callable[[], bool]:
    return lambda: any(line["event"] == what for line in process.lines())


async def taken_over(now: Scene, worker: Start) -> WorkerProcess:
    now.api.faults = Faults(latency=0.01)
    standby = worker(now.direct)
    await eventually(says(standby, "lease acquired"), within=15)
    return standby


@pytest.mark.parametrize("point", tried(POINTS))
@fault(
    "process",
    "killed (SIGKILL) before and after each step of an event's journey",
    "the next owner adopts what was claimed",
    keeps=(1, 2, 3),
)
async def test_a_kill_at_any_step_loses_nothing(
    point: Point, redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    async with scene(redis_server, redis_client, api, queue_name, point) as now:
        victim = worker(now.given)
        await now.reach(point, victim)
        victim.kill()
        await taken_over(now, worker)
        # What the dead one had sent last reaches Redis only now.
        now.proxy.go_on()
        await now.ends_well(until=api._clock())


@pytest.mark.parametrize("point", tried(POINTS[:-2]))
@fault(
    "process",
    "frozen (SIGSTOP) for longer than its lease, before and after each step",
    "it wakes up without the lease, changes nothing and stands by",
    keeps=(1, 2, 3),
)
async def test_a_worker_frozen_at_any_step_changes_nothing_when_it_wakes(
    point: Point, redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    async with scene(redis_server, redis_client, api, queue_name, point) as now:
        victim = worker(now.given)
        await now.reach(point, victim)
        os.kill(victim.process.pid, signal.SIGSTOP)
        await taken_over(now, worker)
        now.proxy.go_on()
        os.kill(victim.process.pid, signal.SIGCONT)
        woken = api._clock()
        await now.ends_well(until=woken + 1)
        await eventually(lambda: victim.state == "standing by", what="the woken worker stands by")
        assert (await census(redis_client, queue_name)).accepted == len(now.pushed)


@pytest.mark.parametrize("when", ["before", "after"])
@fault(
    "process",
    "killed (SIGKILL) while it writes a halt",
    "the next owner finds the halt, or what caused it",
    keeps=(1, 2, 5),
)
async def test_a_kill_while_the_halt_is_written_keeps_everything(
    when: Literal["before", "after"],
    redis_server: EmbeddedRedis,
    redis_client: Redis,
    queue_name: str,
    api: Simulator,
    worker: Start,
) -> None:
    async with scene(redis_server, redis_client, api, queue_name, ("write_halt", when)) as now:
        api.faults = Faults(status_all=Answer(status=401))
        victim = worker(now.given)
        await now.reach(("write_halt", when), victim)
        victim.kill()
        next_one = worker(now.direct)
        await eventually(says(next_one, "halted"))
        await eventually(Queue(redis_client, queue_name, 1).halt, what="the halt is written, too")
        now.proxy.go_on()
        counts = await census(redis_client, queue_name)
        assert (counts.accepted, counts.dead_lettered) == (0, 0)
        api.faults = Faults()
        code, _, said = await command("resume", environment=environment(now.direct))
        assert code == 0, said
        await now.ends_well(until=now.stopped_at)
