"""Where the worker's CPU goes: sampled by py-spy, each sample given to the step of the journey that it is in.

What is done on behalf of a step (aiohttp below `api`, redis-py below `queue`) counts for the step.
"""

import argparse
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from redis import Redis
from rich.console import Console
from rich.table import Table

from forwarder.embedded import EmbeddedRedis
from tests.bench.machine import cpu_seconds
from tests.bench.measure import await_end, prepare, started
from tests.bench.peers.forwarder_peer import ForwarderPeer
from tests.bench.peers.peer import Peer, Run, install_in_venv
from tests.bench.sink import Sink
from tests.bench.work import Work, rows

_WORKS = {100: 2_000_000, 10: 400_000, 1: 60_000}
#: Samples a second; py-spy stops the worker for each, so CPU is measured in a run without it.
_RATE = 400
#: Frames that only call others; what they call is told.
_CALLERS = frozenset({"delivery", "tenure", "reach", "retry", "settlement", "intake", "deadline", "gate"})


def _drained(peer: Peer, work: Work, folder: Path, spy: list[str]) -> float:
    """Seconds of CPU that the worker took, watched by `spy` if that is a command."""
    folder.mkdir()
    with EmbeddedRedis(port=None) as server, Sink(folder) as sink:
        run = Run(work, 0, server.url, sink.url, folder)
        prepare(peer, run)
        with started(peer, run) as process, Redis.from_url(server.url):
            watching = subprocess.Popen([*spy, "-p", str(process.pid)], stderr=subprocess.DEVNULL) if spy else None
            time.sleep(1.0 if spy else 0.0)  # it needs a moment to attach
            before = cpu_seconds(process.pid)
            peer.release(run, process)
            await_end(sink, work, process, longest=120)
            used = cpu_seconds(process.pid) - before
            if watching is not None:
                watching.send_signal(signal.SIGINT)
                watching.wait()
    return used


def steps(samples: str) -> Counter[str]:
    """Samples by step, from py-spy's raw format: ``frame;frame;... count``, a frame being ``name (file:line)``."""
    found: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition("(")[2] for frame in stack.split(";")]
        found[_step(frames)] += int(count)
    return found


def _step(frames: list[str]) -> str:
    ours = [frame.split("forwarder/", 1)[1].split(".py")[0] for frame in frames if frame.startswith("forwarder/")]
    inner = [name.split("/")[0] for name in ours if name.split("/")[0] not in {"cli", "__main__"}]
    for name in reversed(inner):
        if name not in _CALLERS:
            return name
    return inner[-1] if inner else "event loop"


def main() -> None:
    """Profiles the worker with 100, 10 and 1 events in each POST."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "forwarder-bench")
    parser.add_argument("--events-per-post", nargs="+", type=int, choices=list(_WORKS), default=list(_WORKS))
    asked = parser.parse_args()
    asked.scratch.mkdir(parents=True, exist_ok=True)
    spy = install_in_venv(asked.scratch, "py-spy").with_name("py-spy")
    table = Table("µs of CPU per event", box=None, pad_edge=False)
    columns: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory(prefix="forwarder-profile-") as scratch:
        folder = Path(scratch)
        for most in asked.events_per_post:
            work = rows(_WORKS[most], most)
            used = _drained(ForwarderPeer(), work, folder / f"{most}", [])
            raw = folder / f"{most}.txt"
            watch = [str(spy), "record", "-r", str(_RATE), "-f", "raw", "-o", str(raw)]
            _drained(ForwarderPeer(), work, folder / f"{most}-watched", watch)
            found = steps(raw.read_text())
            for step, samples in found.items():
                columns.setdefault(step, {})[most] = used / len(work.events) * 1e6 * samples / found.total()
            columns.setdefault("all", {})[most] = used / len(work.events) * 1e6
            table.add_column(f"{most} in a POST", justify="right")
    for step, row in sorted(columns.items(), key=lambda each: -max(each[1].values())):
        table.add_row(step, *(f"{row.get(most, 0.0):.2f}" for most in asked.events_per_post))
    Console().print(table)


if __name__ == "__main__":
    main()
