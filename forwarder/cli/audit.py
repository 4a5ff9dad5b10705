"""`forwarder audit`."""

import operator
from collections.abc import Mapping
from functools import reduce

import typer
from rich.text import Text

from forwarder import config
from forwarder.cli.options import EXIT_FAILURE, Json
from forwarder.cli.output import as_line, out
from forwarder.cli.running import lists_of, run_to_end
from forwarder.queue import Census
from forwarder.retry import patiently


def audit(*, as_json: Json = False) -> None:
    """Check from Redis alone that every event that was ever claimed is accounted for (else exit 1)."""
    settings = config.load()

    async def work() -> int:
        async with lists_of(settings) as lists:
            found = dict(zip(lists.names, await patiently(lists.censuses), strict=True))
        (_print_json if as_json else _print)(found, settings.queue)
        return EXIT_FAILURE if any(census.imbalance for census in found.values()) else 0

    raise typer.Exit(run_to_end(work()))


def _print_json(found: Mapping[str, Census], queue: str) -> None:
    total = reduce(operator.add, found.values())
    lists = {name: {**census.counts, "imbalances": census.imbalances} for name, census in found.items()}
    as_line({"queue": queue, **total.counts, "imbalances": total.imbalances, "lists": lists})


def _print(found: Mapping[str, Census], queue: str) -> None:
    """Prints each identity, over all lists; if it does not hold, in which lists, and by how much."""
    total = reduce(operator.add, found.values())
    pushed = total.waiting + total.sequence - total.replayed
    out.print(Text(queue, "bold").append(f": {pushed:,} events pushed so far, as far as Redis knows", "default"))
    for identity in total.imbalances:
        off = {name: census.imbalances[identity] for name, census in found.items() if census.imbalances[identity]}
        mark = Text("✘ ", "bold red") if off else Text("✔ ", "bold green")
        by = ", ".join(f"{name} off by {number:+,}" for name, number in off.items())
        out.print(mark.append(identity + (f": {by}" if by else ""), "default"), soft_wrap=True)
