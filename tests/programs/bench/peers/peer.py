"""What the benchmark asks of a contestant."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from redis import Redis

from tests.programs.bench.work import Work

ROOT = Path(__file__).parents[4]
KEY = "bench"
#: The backlog waits here until the worker is up; then a rename hands it over at once.
HELD = "held"
#: At most so many POSTs at once, for everyone who can be told.
AT_ONCE = 64


#: Contestants in Python use the same client as the forwarder.
AIOHTTP = f"aiohttp=={version('aiohttp')}"


class UnavailableError(Exception):
    """This machine cannot run it; the message says why."""


@dataclass(frozen=True)
class Run:
    """One run's place: its own Redis, sink and folder. A rate of 0 is no limit."""

    work: Work
    rate: int
    redis_url: str
    sink_url: str
    folder: Path

    @property
    def elements(self) -> Path:
        """The backlog as a file, one element a line."""
        return self.folder / "elements.ndjson"

    @property
    def redis_port(self) -> int:
        return int(self.redis_url.rsplit(":", 1)[1].split("/")[0])


class Peer:
    """A contestant; the defaults are those of one that drains a Redis list."""

    name = ""
    title = ""
    #: Whether it sends several events in one POST.
    groups = False
    #: How many events it gets of a backlog in which nothing can be grouped: more would take longer and show the same.
    part = 15_000
    #: The only backlog that it takes part in; empty means all of them.
    only = ""
    #: What a SIGKILL costs, and why.
    loses = ""
    #: What its output says when it is up.
    ready = "ready"
    #: The key that the backlog becomes when it is let go.
    queue = "events"

    def install(self, scratch: Path) -> None:
        """Fetches and builds it. Raises UnavailableError."""

    def load(self, run: Run) -> None:
        """Puts the backlog where the worker does not yet look."""
        with Redis.from_url(run.redis_url) as redis:
            for start in range(0, len(run.work.elements), 5_000):
                redis.rpush(HELD, *run.work.elements[start : start + 5_000])

    def command(self, run: Run) -> Sequence[str | Path]:
        """The worker's process."""
        raise NotImplementedError

    def environment(self, run: Run) -> dict[str, str]:
        """What the worker's process is told."""
        return {
            "BENCH_REDIS": run.redis_url,
            "BENCH_SINK": run.sink_url,
            "BENCH_KEY": KEY,
            "BENCH_RATE": str(run.rate),
            "BENCH_AT_ONCE": str(AT_ONCE),
            "BENCH_ELEMENTS": str(run.elements),
        }

    def release(self, run: Run, process: subprocess.Popen[bytes]) -> None:
        """Lets the worker have the backlog."""
        with Redis.from_url(run.redis_url) as redis:
            redis.rename(HELD, self.queue)


def is_installed(folder: Path, wanted: str) -> bool:
    """Whether :func:`note_installed` has noted the same there, so that another run need not fetch it again."""
    return _note(folder).exists() and _note(folder).read_text() == wanted


def note_installed(folder: Path, wanted: str) -> None:
    """Notes what has been installed there."""
    _note(folder).write_text(wanted)


def _note(folder: Path) -> Path:
    return folder / "installed.txt"


def install_step(*command: str | Path, cwd: Path | None = None, timeout: float = 900) -> None:
    """Runs one step of an installation. Raises UnavailableError."""
    _run(command, cwd=cwd, env=None, timeout=timeout)


def _run(command: Sequence[str | Path], *, cwd: Path | None, env: dict[str, str] | None, timeout: float) -> None:
    try:
        subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True, timeout=timeout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:] or ["no output"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {last[0][:200]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)[:200]) from None


def install_in_venv(scratch: Path, *packages: str) -> Path:
    """A venv for these packages; returns its interpreter. Raises UnavailableError."""
    folder = scratch / f"python-{packages[0].partition('=')[0].partition('[')[0]}"
    python, wanted = folder / "bin" / "python", " ".join((sys.executable, *packages))
    if not is_installed(folder, wanted):
        install_step(sys.executable, "-m", "venv", "--clear", folder)
        install_step(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
        note_installed(folder, wanted)
    return python


def run_loader(command: Sequence[str | Path], run: Run, environment: dict[str, str]) -> None:
    """Loads by a program of the contestant's own, in its own language. Raises UnavailableError."""
    _run(command, cwd=ROOT, env={**os.environ, **environment}, timeout=900)
