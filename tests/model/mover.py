"""The checks of `reshard`, each left out in turn: what Spin finds without it. Prints the table.

``python -m tests.model.mover`` explores mover.pml within its bounds, then once without each check, by breadth: so the
counter-example is a shortest one.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.model import spin
from tests.model.spin import Result, Search

MODEL = "mover.pml"


def bounds(text: str) -> dict[str, int]:
    """The macros in a text like ``SHAPE=1 RUNS=2``."""
    return {name: int(number) for name, number in (each.split("=") for each in text.split())}


#: What the protocol is explored with, the smallest first. Each has another fault in it.
PROTOCOL = (
    "RUNS=2",
    "SHAPE=2 PAGE=2 RUNS=2",
    "SHAPE=3 RUNS=2 PUSHES=1",
    "RUNS=1 PUSHES=2 PERSON=2",
    "SHAPE=3 RUNS=1 LATE=1 RESENDS=1",
    "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
    "RUNS=2 EXPIRIES=1",
    "RUNS=2 LATE=1",
)
#: More of each, for a machine that has an hour.
LARGE = (
    "RUNS=3 LATE=1",
    "SHAPE=2 PAGE=2 RUNS=2 LATE=1",
    "SHAPE=3 RUNS=2 LATE=1",
    "SHAPE=2 PAGE=2 RUNS=2 EXPIRIES=1",
    "RUNS=2 WORKER=2 ACQUIRES=1 EXPIRIES=1",
)


@dataclass(frozen=True, slots=True)
class Check:
    """A check that BREAK leaves out.

    Attributes:
        number: of BREAK, as in the model.
        where: the script or the step that has it.
        bounds: within which it is looked for.
        breaks: the promise that is broken without it; empty if nothing is within these bounds.
        why: if nothing is broken, what the check is for.
    """

    number: int
    where: str
    what: str
    bounds: str
    breaks: str = ""
    why: str = ""


#: In the order of the model.
CHECKS = (
    Check(1, "reshard.lua", "the text that is expected", "RUNS=2", "clean"),
    Check(
        2,
        "reshard.lua",
        "that no worker runs",
        "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
        why="a running worker holds a lease, so the command would begin and give up",
    ),
    Check(3, "set_aside.lua", "the token", "RUNS=2", "clean"),
    Check(4, "set_aside.lua", "once in a move", "SHAPE=3 RUNS=1", "succeeded"),
    Check(
        5,
        "set_aside.lua",
        "that nothing is set aside yet",
        "RUNS=2",
        why="`move` says the same, unless somebody deletes it",
    ),
    Check(
        6,
        "unload_events.lua",
        "the token",
        "RUNS=2",
        why="the page stays in `stage`, where the present run finds it",
    ),
    Check(7, "unload_letters.lua", "the token", "RUNS=2", "", "the same"),
    Check(8, "unload_counts.lua", "the token", "SHAPE=3 RUNS=2", "", "the same"),
    Check(9, "unload_*.lua", "that `stage` is empty", "RUNS=1", "no_loss"),
    Check(10, "unload_*.lua", "the number of the page in `stage`", "RUNS=1", "liveness"),
    Check(
        11,
        "unload_events.lua",
        "that no claimed event is left",
        "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
        why="only an owner claims; a failover brings claims back",
    ),
    Check(12, "load.lua", "the token", "RUNS=2", "clean"),
    Check(13, "load.lua", "that the page is not loaded yet", "RUNS=1", "in_order"),
    Check(14, "load.lua", "that no later page is loaded", "RUNS=1 LATE=1", "no_double"),
    Check(
        15,
        "acquire.lua",
        "that the lease is free",
        "RUNS=1 WORKER=3",
        why="the worker's token is void; what it is sending is not overtaken",
    ),
    Check(16, "acquire.lua", "the prefix of an earlier lease", "RUNS=1", "succeeded"),
    Check(17, "release.lua", "the token", "RUNS=2", "", "a run without its lease takes it again"),
    Check(18, "replay_letter.lua", "that no move has begun", "RUNS=1 PERSON=1", "in_its_list"),
    Check(
        19,
        "delete_letter.lua",
        "that no move has begun",
        "RUNS=1 PERSON=1",
        why="a person would read that a moved letter is gone",
    ),
    Check(
        23,
        "the worker",
        "the number of lists, under the lease",
        "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
        breaks="in_order",
    ),
    Check(32, "the mover", "the ID in the mark, under all leases", "RUNS=2", "clean"),
    Check(
        33,
        "the mover",
        "the ID in the mark, when a lease is lost",
        "RUNS=2",
        why="it would take all leases before it notices",
    ),
    Check(34, "the mover", "`tidy` in the mark", "RUNS=1 PUSHES=1", "in_its_list"),
    Check(35, "the mover", "a page is loaded before the next one", "SHAPE=2 PAGE=2 RUNS=1 EXPIRIES=1", "no_loss"),
    Check(37, "unload_events.lua", "claimed events first", "RUNS=1", "in_order"),
    Check(38, "the mover", "the leases, after the mark", "RUNS=2", "clean"),
)


def explore(text: str, *, check: Check | None = None, seconds: float = 300.0) -> Result:
    """Explores the model by breadth, with or without a check. Looks for a run without end if that is expected."""
    defines: Mapping[str, int] = bounds(text) | {"BREAK": check.number if check else 0}
    search = Search.ENDLESS if check is not None and check.breaks == "liveness" else Search.SHORTEST
    return spin.verify(MODEL, defines, search=search, megabytes=3_000, seconds=seconds)


def commands(result: Result) -> int:
    """Commands of Redis in the counter-example, without what only reads."""
    return sum(line.startswith(">") for line in result.trail)


def table(checks: Iterable[Check]) -> Iterator[str]:
    """The rows of the table, in Markdown, as they are found."""
    yield "| without | in | broken | commands | states |"
    yield "|---|---|---|--:|--:|"
    for check in checks:
        found = explore(check.bounds, check=check)
        broken = f"`{found.broken}`" if found.broken else f"nothing: {check.why}"
        yield f"| {check.what} | `{check.where}` | {broken} | {commands(found) or ''} | {found.states:,} |"


def main() -> None:
    for text in (*PROTOCOL, *(LARGE if "--large" in sys.argv else ())):
        began = time.monotonic()
        found = explore(text, seconds=3_600.0)
        state = found.broken or ("nothing is broken" if found.complete else "NOT COMPLETE")
        print(f"{text}: {found.states:,} states, {time.monotonic() - began:.0f} s: {state}", flush=True)
    for row in table(CHECKS):
        print(row, flush=True)


if __name__ == "__main__":
    main()
