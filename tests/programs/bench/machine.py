"""What the machine is, and what its processes use."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from forwarder.demo.redis_server import find_server, version_of

_TICK = os.sysconf("SC_CLK_TCK")


def facts() -> dict[str, str]:
    """What a reader needs to know to judge the figures."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")), "unknown")
    return {
        "CPU": f"{len(os.sched_getaffinity(0))} × {model}",
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "Redis": str(version_of(find_server())),
    }


def _stats() -> dict[int, tuple[int, float]]:
    """Of every process its parent and its CPU seconds, those of its dead children included.

    The nanoseconds that the scheduler has counted for its threads, as a tick of `stat` is a hundredth of a second.
    """
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            threads = [int(each.read_text().split()[0]) for each in process.glob("task/*/schedstat")]
        except OSError:  # gone since
            continue
        found[int(process.name)] = (int(fields[1]), sum(threads) / 1e9 + sum(map(int, fields[13:15])) / _TICK)
    return found


def cpu_seconds(pid: int) -> float:
    """What a process and its children have used so far."""
    stats = _stats()
    family, total = [pid], 0.0
    while family:
        member = family.pop()
        total += stats.get(member, (0, 0.0))[1]
        family += [child for child, (parent, _) in stats.items() if parent == member]
    return total


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had, its children not included."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keeps the machine busy with `count` processes that never rest."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
