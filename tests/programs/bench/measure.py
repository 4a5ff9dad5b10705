"""One run: its own Redis and sink, the worker up and idle, the backlog let go, the clock until the last POST."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.bench.machine import cpu_seconds, peak_bytes
from tests.programs.bench.peers.peer import ROOT, Peer, Run
from tests.programs.bench.sink import Sink
from tests.programs.bench.work import Work


class FailedError(Exception):
    """A contestant did not come up, died, or sent something else than the backlog."""


@dataclass(frozen=True)
class Measurement:
    """What one run showed. If `measured` is less than `events`, `seconds` and `posts` are extrapolated from it."""

    peer: str
    work: str
    rate: int
    events: int
    measured: int
    seconds: float
    posts: float
    #: CPU of the worker and of Redis, per event.
    cpu_us: float
    redis_us: float
    #: To Redis, per event.
    round_trips: float
    peak_bytes: int

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds


def measure(peer: Peer, work: Work, rate: int, folder: Path, *, part: int, longest: float) -> Measurement:
    """Runs `peer` over the oldest `part` events of `work`, for at most `longest` seconds."""
    folder.mkdir(parents=True)
    given = work.first(part)
    with EmbeddedRedis(port=None) as server, Sink(folder) as sink:
        run = Run(given, rate, server.url, sink.url, folder)
        prepare(peer, run)
        with started(peer, run) as process, Redis.from_url(server.url) as redis:
            cpu, redis_cpu, reads = cpu_seconds(process.pid), _redis_cpu(redis), _reads(redis)
            begun = time.time()
            peer.release(run, process)
            await_end(sink, given, process, longest)
            time.sleep(0.2)  # for what is settled after the last POST
            sink.look()
            cpu, redis_cpu = cpu_seconds(process.pid) - cpu, _redis_cpu(redis) - redis_cpu
            reads = _reads(redis) - reads
            peak = peak_bytes(process.pid)
    done = _events_done(sink, given)
    scale = len(work.events) / done
    return Measurement(
        peer=peer.name,
        work=work.name,
        rate=rate,
        events=len(work.events),
        measured=done,
        seconds=(sink.last - begun) * scale,
        posts=sink.posts * scale,
        cpu_us=cpu / done * 1e6,
        redis_us=redis_cpu / done * 1e6,
        round_trips=reads / done,
        peak_bytes=peak,
    )


def prepare(peer: Peer, run: Run) -> None:
    """Writes the backlog down and has it loaded."""
    run.elements.write_bytes(b"\n".join(run.work.elements) + b"\n")
    peer.load(run)


@contextmanager
def started(peer: Peer, run: Run) -> Iterator[subprocess.Popen[bytes]]:
    """The worker's process, up and idle; killed at the end."""
    log = run.folder / "worker.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [os.fspath(part) for part in peer.command(run)],
            cwd=ROOT,
            env={**os.environ, **peer.environment(run)},
            stdout=stream,
            stderr=stream,
            process_group=0,
        )
    try:
        begun = log.stat().st_size
        wait_until(lambda: peer.ready.encode() in log.read_bytes()[begun:], process, log, within=60)
        _await_idle(process.pid)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the worker and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def wait_until(holds: Callable[[], object], process: subprocess.Popen[bytes], log: Path, within: float) -> None:
    """Looks every 20 ms. Raises FailedError with the end of the worker's log."""
    deadline = time.monotonic() + within
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            what = f"exit {process.returncode}" if process.returncode is not None else f"not within {within:g} s"
            raise FailedError(f"{what}: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.02)


def _await_idle(pid: int) -> None:
    """Until it has used next to no CPU for half a second; whoever never rests is let go after ten."""
    quiet = 0
    used = cpu_seconds(pid)
    for _ in range(100):
        time.sleep(0.1)
        before, used = used, cpu_seconds(pid)
        quiet = quiet + 1 if used - before < 0.02 else 0
        if quiet == 5:
            return


def await_end(sink: Sink, work: Work, process: subprocess.Popen[bytes], longest: float) -> None:
    """Until all of the backlog has arrived, the worker has died, or time is up."""
    deadline = time.monotonic() + longest
    while sink.payload < work.payload and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        sink.look()


def _events_done(sink: Sink, work: Work) -> int:
    """How many events the bytes that arrived are; exact where all did."""
    if sink.payload > work.payload * 1.001:
        raise FailedError(f"sent {sink.payload:,} bytes of events, of {work.payload:,}")
    done = round(sink.payload / work.payload * len(work.events))
    if done == 0:
        raise FailedError("sent nothing")
    return min(done, len(work.events))


def _redis_cpu(redis: "Redis") -> float:
    info: dict[str, float] = redis.info("cpu")
    return info["used_cpu_user"] + info["used_cpu_sys"]


def _reads(redis: "Redis") -> int:
    """How often Redis has read from a client: one for each round trip, more only for what is long."""
    info: dict[str, int] = redis.info("stats")
    return info["total_reads_processed"]
