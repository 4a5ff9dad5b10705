"""The faults: what each one does to running containers, and when it was over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.programs.containers.engine import docker
from tests.programs.containers.stage import LEASE, Stage, children, kill, state
from tests.support.service import eventually

#: Seconds of a partition.
SHORT, LONG = 2, LEASE + 4
#: Milliseconds after its start.
MOMENTS = (0, 50, 100, 200, 500, 1000, 2000)
#: Seconds within which a stop must end.
STOPPED = 10


@dataclass
class Caused:
    """From when to when a fault lasted, on the clock of the stand-in, and what was seen of it."""

    since: float
    until: float
    seen: str = ""
    #: What was not as it must be.
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """One fault. `workers` run before it is caused."""

    name: str
    title: str
    happens: str
    cause: Callable[[Stage], Awaitable[Caused]]
    workers: tuple[str, ...] = ("one",)


async def _stop_at_start(stage: Stage) -> Caused:
    since, times, wrong = time.monotonic(), [], []
    await stage.create("one")
    for moment in MOMENTS:
        await docker("start", "one")
        await asyncio.sleep(moment / 1000)
        begun = time.monotonic()
        await docker("stop", "one")
        times.append(time.monotonic() - begun)
        code = (await state("one"))["code"]
        # 143: SIGTERM arrived before Python was there to handle it.
        if times[-1] > STOPPED or code not in {0, 143}:
            wrong.append(f"a stop {moment} ms after the start took {times[-1]:.1f} s, exit code {code}")
    until = time.monotonic()
    await docker("start", "one")
    return Caused(since, until, f"the slowest stop took {max(times):.1f} s", wrong)


async def _stop(stage: Stage) -> Caused:
    since = time.monotonic()
    await docker("stop", "one")
    took, code = time.monotonic() - since, (await state("one"))["code"]
    await docker("start", "one")
    wrong = [f"it took {took:.1f} s, exit code {code}"] if code or took > STOPPED else []
    return Caused(since, time.monotonic(), f"stopped in {took:.1f} s", wrong)


async def _kill(stage: Stage) -> Caused:
    since = time.monotonic()
    kill((await state("one"))["pid"])
    await _restarted(1)
    return Caused(since, time.monotonic(), "Docker restarted it")


async def _out_of_memory(stage: Stage) -> Caused:
    """A neighbour in the container takes the memory, and the kernel chooses the forwarder, as it is asked to."""
    (worker,) = children((await state("one"))["pid"])
    Path(f"/proc/{worker}/oom_score_adj").write_text("1000")
    since = time.monotonic()
    hog = asyncio.create_task(docker("exec", "one", "python", "-c", "x = bytearray(700 << 20)"))
    await _restarted(1)
    await asyncio.wait([hog])
    hog.exception()
    now = time.time()
    oom = await docker("events", "--since", f"{now - 60}", "--until", f"{now}", "--filter", "event=oom")
    return Caused(since, time.monotonic(), "Docker restarted it", [] if oom else ["the kernel did not kill it"])


async def _too_small(stage: Stage) -> Caused:
    """It cannot even start: killed again and again, until its limit is raised."""
    since = time.monotonic()
    await stage.create("one", "--memory", "24m")
    await docker("start", "one")
    await _restarted(3)
    restarts = (await state("one"))["restarts"]
    await docker("update", "--memory", "512m", "--memory-swap", "1g", "one")
    until = time.monotonic()
    return Caused(since, until, f"killed {restarts} times with 24 MB")


async def _restarted(times: int) -> None:
    async def done() -> bool:
        return int((await state("one"))["restarts"]) >= times

    await eventually(done, within=60, what="Docker restarts it", pause=0.1)


async def _redis_stops(stage: Stage) -> Caused:
    since = time.monotonic()
    await docker("restart", "redis")
    await stage.answers()
    return Caused(since, time.monotonic())


def _cut(network: str, seconds: float) -> Callable[[Stage], Awaitable[Caused]]:
    async def cause(stage: Stage) -> Caused:
        since, until = await stage.cut("one", network, seconds)
        # What was in flight, or claimed before, may still be accepted at first.
        meanwhile = network == "outside" and stage.accepted(since + 1, until - 1)
        return Caused(since, until, f"off for {until - since:.0f} s", ["it was not cut off"] if meanwhile else [])

    return cause


def _cut_owner(seconds: float) -> Callable[[Stage], Awaitable[Caused]]:
    async def cause(stage: Stage) -> Caused:
        owner = await stage.owner("one", "two")
        since, until = await stage.cut(owner, "queue", seconds)
        posts = stage.accepted(since + 1, until)
        # What was in flight at the cut may still be accepted in the first second.
        if seconds > LEASE:
            seen = (
                f"the other one took over after {posts[0] - since:.1f} s"
                if posts
                else "the other one did not take over"
            )
            return Caused(since, until, seen, [] if posts else [seen])
        return Caused(since, until, f"off for {until - since:.0f} s")

    return cause


FAULTS = (
    Fault(
        "stop-at-start",
        f"`docker stop` {', '.join(f'{each:,}' for each in MOMENTS)} ms after its start",
        f"it ends within {STOPPED} s every time; the next start drains",
        _stop_at_start,
        workers=(),
    ),
    Fault("stop", "`docker stop` under load, then `docker start`", "what is in flight is finished and settled", _stop),
    Fault("kill", "SIGKILL under load", "Docker restarts it; it adopts what it had claimed", _kill),
    Fault("oom", "out of memory under load: the kernel kills it", "Docker restarts it; it adopts", _out_of_memory),
    Fault(
        "too-small",
        "a memory limit that it cannot start with, raised later",
        "Docker restarts it again and again, until it can start",
        _too_small,
        workers=(),
    ),
    Fault("redis-restart", "`docker restart redis` under load", "POSTs stop, and continue", _redis_stops),
    Fault(
        "redis-short", "cut off from Redis for less than its lease", "POSTs stop, and continue", _cut("queue", SHORT)
    ),
    Fault(
        "redis-long",
        "cut off from Redis for longer than its lease",
        "it takes the list again, and adopts",
        _cut("queue", LONG),
    ),
    Fault("api-short", "cut off from the API for less than its lease", "POSTs are repeated", _cut("outside", SHORT)),
    Fault(
        "api-long",
        "cut off from the API for longer than its lease",
        "it keeps its lease, and repeats the POSTs",
        _cut("outside", LONG),
    ),
    Fault(
        "two-short",
        "two workers; the owner is cut off from Redis for less than its lease",
        "it goes on itself, or the other one does",
        _cut_owner(SHORT),
        workers=("one", "two"),
    ),
    Fault(
        "two-long",
        "two workers; the owner is cut off from Redis for longer than its lease",
        "the other one takes over; the first one changes nothing and stands by",
        _cut_owner(LONG),
        workers=("one", "two"),
    ),
)
