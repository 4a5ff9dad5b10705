"""Redis, workers and the stand-in on networks that can be cut, all started as docker-compose.yml says."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from forwarder.simulator import Faults, Simulator
from tests.programs.containers.engine import command, docker
from tests.programs.containers.images import shipped
from tests.support.service import KEY, event, eventually

QUEUE = "events"
#: Seconds: longer and shorter partitions are meant against these. The service's own default of the lease is 30.
LEASE, REQUEST = 6, 2
#: The networks of docker-compose.yml, in addresses that only these namespaces know.
_SUBNETS = {"queue": "10.77.1.0/24", "outside": "10.77.2.0/24"}
_REDIS, _API = "10.77.1.10", "10.77.2.1"
_USERS, _RATE = 40, 150
_NETWORKS = ("queue", "outside")


def as_shipped(name: str) -> list[str]:
    """The options of `docker create` that say the same as docker-compose.yml says of a service."""
    service = shipped()[name]
    limits = service["deploy"]["resources"]["limits"]
    options = ["--cpus", limits["cpus"], "--memory", limits["memory"], "--pids-limit", str(limits["pids"])]
    options += ["--restart", service["restart"], *(["--read-only"] if service["read_only"] else [])]
    options += [word for each in service["cap_drop"] for word in ("--cap-drop", each)]
    options += [word for each in service["security_opt"] for word in ("--security-opt", each)]
    options += ["--init"] if service.get("init") else []
    options += ["--user", service["user"]] if "user" in service else []
    return [*options, "--stop-timeout", service["stop_grace_period"].removesuffix("s")]


class Producer:
    """Pushes at a steady rate, straight to Redis, and knows of which pushes it had no answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._over = False
        self.pushed: list[bytes] = []
        self.uncertain: set[int] = set()

    async def run(self) -> None:
        """Pushes until it is stopped."""
        begun = time.monotonic()
        while not self._over:
            await self._push(int((time.monotonic() - begun) * _RATE) - len(self.pushed))
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Lets :meth:`run` return."""
        self._over = True

    async def _push(self, more: int) -> None:
        first = len(self.pushed)
        numbers = range(first, first + more)
        events = [event(f"u{n * 7 % _USERS}", n) for n in numbers]
        if not events:
            return
        self.pushed += events
        try:
            await self._redis.rpush(QUEUE, *events)
        except (RedisError, OSError):
            self.uncertain |= set(numbers)


class Stage:
    """One engine with a Redis, as many workers as asked for, and the stand-in in this process."""

    def __init__(self, folder: Path) -> None:
        self.api = Simulator(KEY, faults=Faults(latency=0.02))
        self.redis = Redis.from_url(f"redis://{_REDIS}", retry=None, socket_timeout=5)
        self._folder = folder
        self._key = folder / "api-key"
        self._key.write_text(KEY)
        self._key.chmod(0o444)

    async def open(self) -> None:
        """Makes the networks, and starts Redis and the stand-in."""
        for name, subnet in _SUBNETS.items():
            inner = ["--internal"] if name == "queue" else []
            bridge = f"com.docker.network.bridge.name={name}"
            await docker("network", "create", *inner, "--subnet", subnet, "--opt", bridge, name)
        # The stand-in's address is this machine's: without this it is reached through the other network as well.
        await command(
            "iptables", "--insert", "INPUT", "--in-interface", "queue", "--destination", _API, "--jump", "DROP"
        )
        redis = shipped()["redis"]
        await docker(
            *("run", "--detach", "--name", "redis", "--network", "queue", "--ip", _REDIS, *as_shipped("redis")),
            *("--volume", "redis-data:/data", redis["image"], *redis["command"]),
        )
        await self.api.start("0.0.0.0")
        await self.answers()

    async def answers(self) -> None:
        """Waits until Redis answers."""

        async def pings() -> bool:
            with contextlib.suppress(RedisError, OSError):
                return bool(await self.redis.ping())
            return False

        await eventually(pings, within=60, what="Redis answers")

    async def close(self) -> None:
        """Ends what runs in this process."""
        await self.redis.aclose()
        await self.api.stop()

    async def clear(self) -> None:
        """Removes the workers, and forgets all events."""
        for name in (await docker("ps", "--all", "--quiet", "--filter", "label=worker")).split():
            await docker("rm", "--force", name)
        await self.redis.flushall()
        self.api.ledger.clear()

    async def create(self, name: str, *options: str) -> None:
        """Creates a worker on both networks, without starting it."""
        environment = {
            "REDIS_URL": "redis://redis:6379/0",
            "API_URL": f"http://{_API}:{self.api.url.rpartition(':')[2]}",
            "API_KEY_FILE": "/run/secrets/api-key",
            "LEASE_TTL": LEASE,
            "REQUEST_TIMEOUT": REQUEST,
            "ADMIN_HOST": "0.0.0.0",
        }
        variables = [word for key, value in environment.items() for word in ("--env", f"FORWARDER_{key}={value}")]
        volume = f"{self._key}:/run/secrets/api-key:ro"
        await docker(
            *("create", "--name", name, "--label", "worker", "--network", "queue", *as_shipped("forwarder")),
            *(*options, *variables, "--volume", volume, shipped()["forwarder"]["image"]),
        )
        await docker("network", "connect", "outside", name)

    async def start(self, name: str, *options: str) -> None:
        """Creates and starts a worker."""
        await self.create(name, *options)
        await docker("start", name)

    async def cut(self, name: str, network: str, seconds: float) -> tuple[float, float]:
        """Takes a container off a network for so long. Returns from when to when it was off for certain."""
        since = time.monotonic()
        await docker("network", "disconnect", network, name)
        await asyncio.sleep(seconds)
        await docker("network", "connect", network, name)
        return since, time.monotonic()

    async def accepts(self, *, after: float, within: float = 60.0) -> float:
        """Waits for a POST that is accepted after a moment, and returns when it was."""

        def accepted() -> float | None:
            posts = self.api.ledger.accepted
            last = posts[-1].request if posts else None
            return last.at if last is not None and last.at >= after else None

        await eventually(accepted, within=within, what="a POST is accepted")
        return min(self.accepted(after, math.inf))

    def accepted(self, since: float, until: float) -> list[float]:
        """When POSTs were accepted between two moments."""
        times = [post.request.at for post in self.api.ledger.accepted if post.request]
        return [at for at in times if since <= at <= until]

    async def keep_logs(self, fault: str, workers: Iterable[str]) -> None:
        """Writes what the workers logged into the folder, for a person who asks why."""
        for name in workers:
            (self._folder / f"{fault}-{name}.log").write_text(await logs(name))

    async def owner(self, *names: str) -> str:
        """Which of the workers drains the list: the one that logged it last."""

        async def found() -> str | None:
            for name in names:
                if '"event":"delivering"' in (await logs(name)).replace(" ", ""):
                    return name
            return None

        return str(await eventually(found, within=60, what="a worker drains"))


async def logs(name: str) -> str:
    """What a container logged: the forwarder writes on standard error."""
    process = await asyncio.create_subprocess_exec(
        *("docker", "logs", name), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return (await process.communicate())[0].decode(errors="replace")


async def state(name: str) -> dict[str, Any]:
    """How a container is, as Docker says it."""
    words = await docker(
        "inspect", name, "--format", "{{.State.Pid}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.RestartCount}}"
    )
    pid, code, oom, restarts = words.split()
    return {"pid": int(pid), "code": int(code), "oom": oom == "true", "restarts": int(restarts)}


def kill(pid: int) -> None:
    """SIGKILL, as the kernel or a person on the machine sends it. After `docker kill` Docker would not restart it."""
    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
