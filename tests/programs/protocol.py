"""Explores the protocol of one list completely within bounds, and shows what each of its guards is for.

`python -m tests.programs.protocol [--large] [--publish]`

Exits with 1 if the protocol breaks a promise, or if a guard's counter-example is not the expected one.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.model import spin
from tests.model.guards import CONFIGURATIONS, GUARDS, Configuration, Guard
from tests.model.spin import Result, Search
from tests.support.documents import PROOF, markdown_table, written

#: Limits of one exploration; those of CI fit into a machine with 2 GB.
_SMALL, _LARGE = {"megabytes": 1_000, "seconds": 60.0}, {"megabytes": 3_000, "seconds": 120.0}
#: Guards with a counter-example that the page shows in full.
_SHOWN = ("NO_STAMP", "NO_SETTLEMENT_IN_CLAIM", "NO_FENCE_SCAN")
#: What the model calls a broken property.
PROPERTIES = {
    "no_loss": "nothing is lost",
    "in_order": "order per user",
    "no_duplicate": "no duplicate without a cause",
    "counted": "the sums of the audit",
    "all_decided": "everything is decided in the end",
    "liveness": "everything is decided in the end",
    "alone": "nobody sends without the lease",
}


def explore(configuration: Configuration, *, large: bool = True) -> Result:
    """Everything within the bounds."""
    search = Search.LIVENESS if configuration.liveness else Search.ALL
    limits = _LARGE if large else _SMALL
    return spin.verify("claims.pml", configuration.bounds, search=search, **limits)  # type: ignore[arg-type]


def without(guard: Guard, *, large: bool = True) -> Result:
    """The shortest counter-example without a guard."""
    limits = _LARGE if large else _SMALL
    return spin.verify("claims.pml", guard.all_defines, search=Search.SHORTEST, **limits)  # type: ignore[arg-type]


def diagram(trail: tuple[str, ...]) -> str:
    """A counter-example, one column for each actor."""
    rows = [(_actor(line), line.lstrip("># ").removeprefix(_actor(line)).strip()) for line in trail]
    actors = [
        each for each in ("w1", "w2", "late", "redis", "person", "producer") if any(row[0] == each for row in rows)
    ]
    indents = {actor: 6 * index for index, actor in enumerate(actors)}
    lines = [
        f"{number:>3}  {' ' * indents.get(actor, 0)}{actor + ': ' if actor in indents else ''}{said}"
        for number, (actor, said) in enumerate(rows, 1)
    ]
    return "\n".join(["```text", *lines, "```", ""])


def _actor(line: str) -> str:
    words = line.lstrip("># ").split()
    return words[0] if words and words[0] in {"w1", "w2", "late", "redis", "person", "producer"} else "#"


def _bounds(bounds: dict[str, int]) -> str:
    return ", ".join(
        f"{name.lower().replace('_', ' ')} {number}" for name, number in bounds.items() if name != "LIVENESS"
    )


def page(explored: list[tuple[Configuration, Result]], broken: list[tuple[Guard, Result]]) -> str:
    """Both tables, and a few counter-examples."""
    head = ["explored", "bounds", "states", "transitions", "depth", "seconds", "MB", "complete"]
    rows = [
        [each.what, _bounds(dict(each.bounds)), f"{found.states:,}", f"{found.transitions:,}", str(found.depth),
         f"{found.seconds:.0f}", f"{found.megabytes:,.0f}", "yes" if found.complete else "no"]
        for each, found in explored
    ]  # fmt: skip
    guards = [
        [each.what, PROPERTIES.get(found.broken, "nothing, within these bounds"),
         str(found.steps) if found.broken else "-", each.purpose]
        for each, found in broken
    ]  # fmt: skip
    shown = [
        f"Without this guard: {each.what}.\n\n{diagram(found.trail)}"
        for each, found in broken
        if set(each.defines) & set(_SHOWN) and found.trail
    ]
    tables = markdown_table(head, rows), markdown_table(["without this guard", "this breaks", "steps", "why"], guards)
    return "\n" + "\n".join([*tables, *shown])


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--large", action="store_true", help="the larger bounds: minutes, and up to 3 GB of memory")
    arguments.add_argument("--publish", action="store_true", help=f"write the tables into {PROOF.name}")
    given = arguments.parse_args()
    if why := spin.missing():
        raise SystemExit(why)
    explored, broken, wrong = [], [], 0
    for configuration in CONFIGURATIONS:
        if given.large or not configuration.large:
            found = explore(configuration, large=given.large)
            explored.append((configuration, found))
            wrong += bool(found.broken) or not found.complete
            print(
                f"{configuration.what}: {found.states:,} states, {found.seconds:.0f} s",
                found.broken or "well",
                flush=True,
            )
    with ThreadPoolExecutor(2) as pool:
        found_without = list(pool.map(partial(without, large=given.large), GUARDS))
    for guard, found in zip(GUARDS, found_without, strict=True):
        broken.append((guard, found))
        wrong += found.broken != guard.breaks
        print(f"without: {guard.what}: {found.broken or 'nothing broken'}, {found.steps} steps", flush=True)
    text = page(explored, broken)
    print(text)
    if given.publish:
        PROOF.write_text(written(PROOF.read_text(encoding="utf-8"), "protocol", text), encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
