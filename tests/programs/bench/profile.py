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

from rich.console import Console
from rich.table import Table

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.bench.machine import cpu_seconds
from tests.programs.bench.measure import await_end, prepare, started
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import Peer, Run, install_in_venv
from tests.programs.bench.sink import Sink
from tests.programs.bench.work import Work, rows
from tests.support.documents import written

_WORKS = {100: 2_000_000, 10: 400_000, 1: 60_000}
#: Samples a second; py-spy stops the worker for each, so CPU is measured in a run without it.
_RATE = 400
#: Steps below this part of everything in each column are shown together.
_SMALL = 0.02
#: Frames that only call others; the sample counts for what they call.
_CALLERS = frozenset({"availability", "delivery", "gate", "intake", "retry", "settlement", "shared_timeout", "worker"})
#: The file of the thread that writes the log. It waits nearly all the time, but py-spy takes it for busy, as it waits
#: in C: for a fifth of all samples, where the thread uses less than a thousandth of the CPU.
_WAITING = "forwarder/logs/writer.py"
#: Packages below which everything runs, so that they name no step: what is left is the event loop's own work.
_BELOW_ALL = frozenset({"cli", "__main__", "runtime"})
#: Packages that hold several steps: a step is then named by its module.
_SEVERAL_STEPS = frozenset({"api", "pipeline"})


def _drained(peer: Peer, work: Work, folder: Path, spy: list[str]) -> float:
    """Seconds of CPU that the worker took, watched by `spy` if that is a command."""
    folder.mkdir()
    with EmbeddedRedis(port=None) as server, Sink(folder) as sink:
        run = Run(work, 0, server.url, sink.url, folder)
        prepare(peer, run)
        with started(peer, run) as process:
            watching = _quiet([*spy, "-p", str(process.pid)]) if spy else None
            time.sleep(1.0 if spy else 0.0)  # it needs a moment to attach
            before = cpu_seconds(process.pid)
            peer.release(run, process)
            await_end(sink, work, process, longest=120)
            used = cpu_seconds(process.pid) - before
            if watching is not None:
                watching.send_signal(signal.SIGINT)
                watching.wait()
    return used


def _quiet(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def steps(samples: str) -> Counter[str]:
    """Samples by step, from py-spy's raw format: ``frame;frame;... count``, a frame being ``name (file:line)``."""
    found: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        if _WAITING in stack.rpartition(";")[2]:
            continue
        frames = [frame.rpartition("(")[2] for frame in stack.split(";")]
        found[_step(frames)] += int(count)
    return found


def _step(frames: list[str]) -> str:
    ours = [frame.split(".py")[0].split("/")[1:] for frame in frames if frame.startswith("forwarder/")]
    inner = [path[path[0] in _SEVERAL_STEPS] for path in ours if path[0] not in _BELOW_ALL]
    for name in reversed(inner):
        if name not in _CALLERS:
            return name
    return inner[-1] if inner else "event loop"


def _profiled(most: int, scratch: Path, spy: Path) -> dict[str, float]:
    """Microseconds of CPU per event of each step, with so many events in a POST."""
    work = rows(_WORKS[most], most)
    used = _drained(ForwarderPeer(), work, scratch / f"{most}", []) / len(work.events) * 1e6
    raw = scratch / f"{most}.txt"
    watch = [str(spy), "record", "-r", str(_RATE), "-f", "raw", "-o", str(raw)]
    _drained(ForwarderPeer(), work, scratch / f"{most}-watched", watch)
    found = steps(raw.read_text())
    return {"all": used} | {step: used * samples / found.total() for step, samples in found.items()}


def lines(columns: list[dict[str, float]]) -> list[list[str]]:
    """A line for each step, what costs most first. Steps that are small in every column share the last one."""
    large = {step for column in columns for step, us in column.items() if us >= _SMALL * column["all"]}
    shown = [{step: us for step, us in column.items() if step in large} for column in columns]
    rest = [sum(us for step, us in column.items() if step not in large) for column in columns]
    most = {step: max(column.get(step, 0.0) for column in shown) for step in large}
    found = [(step, [column.get(step, 0.0) for column in shown]) for step in sorted(most, key=lambda step: -most[step])]
    if any(rest):
        found.append(("the other steps", rest))
    return [[step, *(f"{us:.2f}" for us in values)] for step, values in found]


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    first, *rest = ["| " + " | ".join(line) + " |" for line in (head, *rows)]
    return "\n".join([first, "|---|" + "--:|" * (len(head) - 1), *rest, ""])


def main() -> None:
    """Profiles the worker with 100, 10 and 1 events in each POST."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.profile", description=__doc__)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "forwarder-bench")
    parser.add_argument("--events-per-post", nargs="+", type=int, choices=list(_WORKS), default=list(_WORKS))
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the table into this document")
    asked = parser.parse_args()
    asked.scratch.mkdir(parents=True, exist_ok=True)
    spy = install_in_venv(asked.scratch, "py-spy").with_name("py-spy")
    with tempfile.TemporaryDirectory(prefix="forwarder-profile-") as scratch:
        found = lines([_profiled(most, Path(scratch), spy) for most in asked.events_per_post])
    head = ["µs of CPU per event", *(f"{most} in a POST" for most in asked.events_per_post)]
    table = Table(*head, box=None, pad_edge=False)
    for line in found:
        table.add_row(*line)
    Console().print(table)
    if asked.readme:
        asked.readme.write_text(written(asked.readme.read_text(), "profile", _markdown(head, found)))


if __name__ == "__main__":
    main()
