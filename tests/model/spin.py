"""Runs Spin, a model checker (https://spinroot.com): explores a model completely, or walks through it at random.

A model is a file of Promela beside this one. Bounds and mutations are its macros, as in ``{"EVENTS": 3}``.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FOLDER = Path(__file__).parent
#: Debian's packages that have them: spin, gcc and libc6-dev.
TOOLS = ("spin", "gcc")
#: The deepest run. Those of the models here are shorter than 200 steps; a run that is cut off shows as incomplete.
_DEPTH = 100_000
#: Steps of a walk on average at most.
_LONGEST_WALK = 200_000
#: Spin refuses to search by breadth if a model has hidden variables, as it does not restore them. Here they are the
#: scratch variables of single steps, each of which sets them before it reads them.
_HIDDEN_REFUSED = "#error cannot use BFS on models with variables declared hidden"

Defines = Mapping[str, int]


class Search(Enum):
    """How to explore, by the options of the compiler and those of the verifier."""

    #: By depth: the least memory.
    ALL = (("-DSAFETY",), ())
    #: By breadth: the counter-example is a shortest one.
    SHORTEST = (("-DSAFETY", "-DBFS"), ())
    #: Runs without end that never reach what must come in the end: the LTL formula of the model, with weak fairness.
    LIVENESS = (("-DNFAIR=3",), ("-a", "-f"))
    #: Runs without end at all, for a model in which every run ends.
    ENDLESS = (("-DNP",), ("-l",))


class SpinError(Exception):
    """Spin or the compiler has failed, or the verifier said something unknown."""


@dataclass(frozen=True)
class Result:
    """What an exploration found.

    Attributes:
        complete: whether everything within the bounds was explored, or a counter-example was found.
        broken: the name in the assertion that failed; "liveness" for a run without end; empty if nothing was broken.
        trail: the counter-example in the lines of the trace format, each of them a step or a comment.
    """

    states: int
    transitions: int
    depth: int
    megabytes: float
    seconds: float
    complete: bool
    broken: str = ""
    trail: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of the counter-example, with faults, POSTs and crashes; not the remarks about a step."""
        return sum(not line.startswith("# reply lost") for line in self.trail)


def missing() -> str:
    """Why nothing can be explored here; empty if everything is there."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{' and '.join(absent)} not found (Debian: apt-get install spin gcc libc6-dev)" if absent else ""


def verify(
    model: str,
    defines: Defines,
    *,
    search: Search = Search.ALL,
    megabytes: int = 1_000,
    seconds: float = 60.0,
) -> Result:
    """Explores everything within the bounds, or until something is broken.

    Args:
        model: the name of a file beside this one.
        defines: its bounds and mutations.
        search: how to explore.
        megabytes: of memory at most. More makes the result incomplete, and so do more seconds.
        seconds: for the exploration at most.

    Raises:
        SpinError: the model cannot be built or run.
    """
    with tempfile.TemporaryDirectory(prefix="spin-") as folder:
        scratch = Path(folder)
        _build(scratch, model, defines, search, megabytes)
        command = ["./pan", f"-m{_DEPTH}", "-w20", *search.value[1]]
        report, ended = _run_within(command, scratch, seconds)
        trail = _trail(scratch, model, defines) if list(scratch.glob("*.trail")) else ()
        return _read(report, trail, ended=ended)


def simulate(model: str, defines: Defines, *, seed: int, steps: int = 10_000) -> tuple[str, ...]:
    """One run at random, in the lines of the trace format. It ends when nothing more can happen.

    Raises:
        SpinError: the model cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="spin-") as folder:
        options = [f"-n{seed}", f"-u{steps}", "-T", "-B"]
        return _lines(_checked(["spin", *options, *_options(defines), str(FOLDER / model)], Path(folder)))


def walks(model: str, defines: Defines, *, seed: int, count: int) -> tuple[str, ...]:
    """Many runs at random by one process, with the state after each command. Each begins with a line ``# walk``.

    Raises:
        SpinError: the model cannot be run.
    """
    return simulate(model, {**defines, "WALKS": count}, seed=seed, steps=_LONGEST_WALK * count)


def _build(scratch: Path, model: str, defines: Defines, search: Search, megabytes: int) -> None:
    _checked(["spin", "-a", *_options(defines), str(FOLDER / model)], scratch)
    header = scratch / "pan.h"
    header.write_text(header.read_text().replace(_HIDDEN_REFUSED, ""))
    # All variables are shared, so there is no partial order to reduce.
    optimized = "-O0" if search is Search.SHORTEST else "-O1"  # mostly over in a second, where compiling takes five
    options = ["-w", optimized, "-DNOREDUCE", "-DCOLLAPSE", f"-DMEMLIM={megabytes}", *search.value[0]]
    _checked(["gcc", *options, "-o", "pan", "pan.c"], scratch)


def _trail(scratch: Path, model: str, defines: Defines) -> tuple[str, ...]:
    trail = next(scratch.glob("*.trail"))
    command = ["spin", "-T", "-B", "-k", trail.name, *_options(defines), str(FOLDER / model)]
    return _lines(_checked(command, scratch))


def _options(defines: Defines) -> list[str]:
    return [f"-D{name}={value}" for name, value in defines.items()]


def _lines(said: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in said.splitlines() if line.strip().startswith((">", "#", "=")))


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not (command[0] == "spin" and "-k" in command):  # a trail ends with the broken assertion
        raise SpinError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _run_within(command: list[str], folder: Path, seconds: float) -> tuple[str, bool]:
    """What the verifier printed, and whether it ended within these seconds."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            return running.communicate(timeout=seconds)[0], True
        except subprocess.TimeoutExpired:
            running.terminate()  # it prints its figures nevertheless
            return running.communicate()[0], False


def _read(report: str, trail: tuple[str, ...], *, ended: bool) -> Result:
    def figure(pattern: str) -> float:
        found = re.search(pattern, report)
        if found is None:
            raise SpinError(f"the verifier said nothing about {pattern!r}:\n{report[-2000:]}")
        return float(found[1])

    failed = re.search(
        r"^pan:\d+: (assertion violated|acceptance cycle|non-progress cycle|invalid end state) ?(\S*)",
        report,
        re.MULTILINE,
    )
    broken = "" if failed is None else (failed[2] if failed[1] == "assertion violated" else "liveness")
    cut = "Search not completed" in report or "max search depth too small" in report
    return Result(
        states=int(figure(r"([\d.e+]+) states, stored")),
        transitions=int(figure(r"([\d.e+]+) transitions")),
        depth=int(figure(r"depth reached (\d+)")),
        megabytes=figure(r"([\d.]+)\s+total actual memory usage"),
        seconds=figure(r"elapsed time ([\d.e+-]+) seconds"),
        complete=bool(broken) or (ended and not cut),
        broken=broken,
        trail=trail,
    )
