"""`forwarder audit`."""

import operator
from collections.abc import Mapping
from functools import reduce

import typer
from rich.text import Text

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_FAILURE, Json
from forwarder.cli.output import as_line, say
from forwarder.logs.printable import counted
from forwarder.queue.census import Census
from forwarder.retry import patiently
from forwarder.runtime import loop


def audit(*, as_json: Json = False) -> None:
    """Check that every claimed event is accounted for.

    Compares counts in Redis. The exit code is 1 if they do not add up.
    """
    settings = config.load()

    async def work() -> int:
        async with queue_of(settings) as queue:
            found = dict(zip(queue.names, await patiently(queue.censuses), strict=True))
        (_print_json if as_json else _print)(found, settings.queue)
        return EXIT_FAILURE if any(census.imbalance for census in found.values()) else 0

    raise typer.Exit(loop.run(work()))


def _print_json(found: Mapping[str, Census], queue: str) -> None:
    total = reduce(operator.add, found.values())
    lists = {name: {**census.counts, "imbalances": census.imbalances} for name, census in found.items()}
    as_line({"queue": queue, **total.counts, "imbalances": total.imbalances, "lists": lists})


def _print(found: Mapping[str, Census], queue: str) -> None:
    """Prints each identity over all lists. If it does not hold, names the lists, and by how much they are off."""
    total = reduce(operator.add, found.values())
    pushed = total.waiting + total.sequence - total.replayed
    say(Text(queue, "bold").append(f": {counted(pushed, 'event')} pushed so far, by the counts in Redis", "default"))
    for identity in total.imbalances:
        off = {name: census.imbalances[identity] for name, census in found.items() if census.imbalances[identity]}
        mark = Text("✘ ", "bold red") if off else Text("✔ ", "bold green")
        by = ", ".join(f"{name} off by {number:+,}" for name, number in off.items())
        say(mark.append(identity + (f": {by}" if by else ""), "default"))
