"""`docker compose up --wait`, as docker-compose.yml says it, without Grafana: Debian has no package of it."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.programs.containers.engine import command, docker
from tests.programs.containers.images import COMPOSE, shipped
from tests.programs.image import ROOT, USER
from tests.support.service import event, eventually

SERVICES = ("redis", "api", "forwarder", "prometheus")
_EVENTS = 500
_FORWARDER, _PROMETHEUS = "http://127.0.0.1:9464", "http://127.0.0.1:9090"
#: What a process of a container sees of how it is shut in.
_LOOK = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
try:
    open("/opt/forwarder/x", "w")
    wrote = "yes"
except OSError as error:
    wrote = error.strerror
print(json.dumps({"user": os.getuid(), "effective": status["CapEff"], "bounding": status["CapBnd"],
    "new privileges": status["NoNewPrivs"], "wrote": wrote}))
"""


@dataclass
class Started:
    """What was seen of the services. Seconds."""

    up: float
    drained: float
    stopped: float
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        figures = f"up and healthy after {self.up:.0f} s, {_EVENTS} events drained after {self.drained:.1f} s"
        return "\n".join([f"compose: {figures}, all stopped in {self.stopped:.1f} s", *self.wrong])


async def compose(*words: str, given: bytes | None = None) -> str:
    """Runs Docker's Compose in the repository."""
    return await command(str(COMPOSE), "--project-name", "shipped", *words, given=given, cwd=ROOT)


async def start_and_stop() -> Started:
    """Starts everything, pushes, waits until all is accepted, and stops everything."""
    begun = time.monotonic()
    try:
        await compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "180", *SERVICES)
        up = time.monotonic() - begun
        wrong = await _shut_in()
        pushed = time.monotonic()
        events = b"\n".join(event(f"u{n % 20}", n) for n in range(_EVENTS))
        await compose("exec", "--no-TTY", "forwarder", "forwarder", "push", "-", given=events + b"\n")
        await eventually(_all_accepted, within=60, what="the stand-in has every event")
        drained = time.monotonic() - pushed
        await eventually(_scraped, within=90, what="Prometheus has asked the forwarder")
        stopping = time.monotonic()
        await compose("stop")
        stopped = time.monotonic() - stopping
        wrong += await _exit_codes()
        return Started(up, drained, stopped, wrong)
    finally:
        await compose("down", "--volumes", "--timeout", "5")


async def _shut_in() -> list[str]:
    """What the forwarder may do and must not."""
    seen = json.loads(await compose("exec", "--no-TTY", "forwarder", "python", "-c", _LOOK))
    wanted = {
        "user": USER,
        "effective": "0000000000000000",
        "bounding": "0000000000000000",
        "new privileges": "1",
        "wrote": "Read-only file system",
    }
    limit = int(await docker("inspect", "shipped-forwarder-1", "--format", "{{.HostConfig.Memory}}"))
    given = int(shipped()["forwarder"]["deploy"]["resources"]["limits"]["memory"].removesuffix("m")) << 20
    wrong = [] if limit == given else [f"the memory limit is {limit}, not {given}"]
    return wrong + [f"{name} is {seen[name]}, not {value}" for name, value in wanted.items() if seen[name] != value]


async def _all_accepted() -> bool:
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/ledger?summary=1').read().decode())"
    summary = json.loads(await compose("exec", "--no-TTY", "api", "python", "-c", code))
    return int(summary["accepted_events"]) == _EVENTS


async def _scraped() -> bool:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{_FORWARDER}/readyz") as ready:
            assert ready.status == 200, await ready.text()
        async with session.get(f"{_PROMETHEUS}/api/v1/query", params={"query": "up"}) as answer:
            found: dict[str, Any] = await answer.json()
    return any(each["value"][1] == "1" for each in found["data"]["result"])


async def _exit_codes() -> list[str]:
    wrong = []
    for name in SERVICES:
        code = await docker("inspect", f"shipped-{name}-1", "--format", "{{.State.ExitCode}}")
        if code not in {"0", "143"}:
            wrong.append(f"{name} ended with exit code {code}")
    return wrong
