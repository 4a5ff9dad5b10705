"""`forwarder status`."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_HALTED, Json
from forwarder.cli.output import as_line, out
from forwarder.logs.printable import visible
from forwarder.operations.status import ListStatus, Owner, Status, survey

#: The counts that are shown of the whole queue, and of each list.
_OF_ALL = ("waiting", "claimed", "accepted", "dead_lettered", "letters", "replayed", "deleted")
_OF_EACH = ("waiting", "claimed", "letters")


def status(*, as_json: Json = False) -> None:
    """Show what waits, who owns the lists, and any halt.

    The exit code is 77 while the service is halted.
    """
    settings = config.load()

    async def work() -> Status:
        async with queue_of(settings) as queue:
            return await survey(queue)

    found = asyncio.run(work())
    if as_json:
        as_line(_json(found))
    else:
        _print(found)
    raise typer.Exit(EXIT_HALTED if found.halt else 0)


def _json(found: Status) -> dict[str, object]:
    halt = found.halt
    return {
        "queue": found.queue,
        **found.total.counts,
        "lists": [
            {"shard": shard, "list": each.name, **each.census.counts, "owner": each.owner and asdict(each.owner)}
            for shard, each in enumerate(found.lists)
        ],
        "workers": found.workers,
        "halt": halt and {"reason": halt.reason, "detail": halt.detail, "since": halt.since},
        "balanced": found.balanced,
    }


def _print(found: Status) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("state", _state(found))
    if found.halt:
        table.add_row("", visible(found.halt.detail))
    counts = found.total.counts
    for name in _OF_ALL:
        table.add_row(name.replace("_", " "), f"{counts[name]:,}")
    out.print(Text(found.queue, "bold"))
    out.print(table)
    out.print(_owners(found.lists))


def _state(found: Status) -> Text:
    if found.halt:
        return Text(visible(f"halted: {found.halt.reason} since {found.halt.since}"), "bold red")
    without = sum(each.owner is None for each in found.lists)
    if not without:
        return Text("at work", "green")
    if without < len(found.lists):
        return Text(f"{without} of {len(found.lists)} lists have no owner", "yellow")
    whose = "the list" if len(found.lists) == 1 else "the lists"
    return Text(f"nobody owns {whose}: no worker is running", "yellow")


def _owners(lists: Sequence[ListStatus]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("list")
    for name in _OF_EACH:
        table.add_column(name, justify="right")
    table.add_column("owner")
    for each in lists:
        counts = each.census.counts
        table.add_row(each.name, *(f"{counts[name]:,}" for name in _OF_EACH), _named(each.owner))
    return table


def _named(owner: Owner | None) -> Text:
    if owner is None:
        return Text("nobody", "yellow")
    return Text(f"{visible(owner.worker)}, for {owner.lease_seconds:.0f} s more")
