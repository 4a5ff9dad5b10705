"""Explores the protocols completely within bounds, and shows what each of their guards is for.

`python -m tests.programs.protocol [--large] [--publish]`

Exits with 1 if a protocol breaks a promise, or if a guard's counter-example is not the expected one.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from tests.model import claims, mover, spin
from tests.model.exploring import PROPERTIES, Configuration, Guard, explore, without
from tests.model.spin import Result
from tests.support.documents import PROOF, markdown_table, written

#: Each with the part of the page that has its tables.
_MODELS = {"protocol": claims, "resharding": mover}
#: The limits of one exploration with large bounds.
_LARGE = {"megabytes": 3_000, "seconds": 900}
#: Those with a column of their own in a diagram, from left to right.
_ACTORS = ("w1", "w2", "m1", "m2", "worker", "late", "redis", "person", "producer")

Explored = Sequence[tuple[Configuration, Result]]
Broken = Sequence[tuple[Guard, Result]]


def diagram(trail: Iterable[str]) -> str:
    """A counter-example, one column for each actor."""
    rows = [_step(line) for line in trail]
    present = [actor for actor in _ACTORS if any(row[0] == actor for row in rows)]
    lines = [
        f"{number:>3}  {'      ' * present.index(actor)}{actor}: {said}" if actor else f"{number:>3}  {said}"
        for number, (actor, said) in enumerate(rows, 1)
    ]
    return "\n".join(["```text", *lines, "```", ""])


def _step(line: str) -> tuple[str, str]:
    """Who, or nobody, and what is done."""
    said = line.lstrip("># ")
    actor, _, rest = said.partition(" ")
    return (actor, rest.strip()) if actor in _ACTORS else ("", said)


def _bounds(configuration: Configuration) -> str:
    bounds = configuration.bounds.items()
    return ", ".join(f"{name.lower().replace('_', ' ')} {number}" for name, number in bounds if name != "LIVENESS")


def page(explored: Explored, broken: Broken) -> str:
    """Both tables of a model, and a few counter-examples."""
    head = ["explored", "bounds", "states", "transitions", "depth", "seconds", "MB", "complete"]
    rows = [
        [each.what, _bounds(each), f"{found.states:,}", f"{found.transitions:,}", str(found.depth),
         f"{found.seconds:.0f}", f"{found.megabytes:,.0f}", "yes" if found.complete else "no"]
        for each, found in explored
    ]  # fmt: skip
    guards = [
        [each.what, PROPERTIES[found.broken], str(found.steps), ""]
        if found.broken
        else [each.what, "nothing, within these bounds", "-", each.purpose]
        for each, found in broken
    ]
    tables = (
        markdown_table(head, rows),
        markdown_table(["without this guard", "this breaks", "steps", "it is for"], guards),
    )
    shown = [
        f"**Without this guard: {each.what}.** {each.story}\n\n{diagram(found.trail)}"
        for each, found in broken
        if each.story and found.broken
    ]
    return "\n" + "\n".join([*tables, *shown])


def explored(model: ModuleType, *, large: bool) -> tuple[Explored, Broken]:
    """Explores a model, and the model without each of its guards. Prints each result as soon as it is there."""
    limits = _LARGE if large else {}
    chosen = [each for each in model.CONFIGURATIONS if large or not each.large]
    found = []
    for each in chosen:
        result = explore(each, **limits)
        found.append((each, result))
        said = PROPERTIES.get(result.broken, "nothing is broken" if result.complete else "not complete")
        print(f"{each.model}, {each.what}: {result.states:,} states, {result.seconds:.0f} s: {said}", flush=True)
    guards = [each for each in model.GUARDS if large or each.quick]
    broken = []
    with ThreadPoolExecutor(2) as pool:
        for guard, result in zip(guards, pool.map(lambda guard: without(guard, **limits), guards), strict=True):
            broken.append((guard, result))
            said = PROPERTIES.get(result.broken, "nothing")
            print(f"{guard.model}, without the guard {guard.what!r}, this breaks: {said}", flush=True)
    return found, broken


def as_expected(explored: Explored, broken: Broken) -> bool:
    """Whether the protocol keeps its promises, and each guard breaks what it should."""
    sound = all(found.complete and not found.broken for _, found in explored)
    return sound and all(found.broken == guard.breaks for guard, found in broken)


def main() -> int:
    """Explores both models; see the module."""
    arguments = argparse.ArgumentParser(prog="python -m tests.programs.protocol", description=__doc__)
    arguments.add_argument("--large", action="store_true", help="the larger bounds: minutes, and up to 3 GB of memory")
    arguments.add_argument("--publish", action="store_true", help=f"write the tables into {PROOF.name}")
    given = arguments.parse_args()
    if why := spin.missing():
        raise SystemExit(why)
    sound = True
    for part, model in _MODELS.items():
        found, broken = explored(model, large=given.large)
        sound &= as_expected(found, broken)
        text = page(found, broken)
        print(text)
        if given.publish:
            PROOF.write_text(written(PROOF.read_text(encoding="utf-8"), part, text), encoding="utf-8")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
