"""`forwarder status`."""

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
from forwarder.operations.facts import setup_of
from forwarder.operations.status import ListStatus, Owner, Status, survey
from forwarder.queue.census import Census
from forwarder.runtime import loop

#: The counts shown for the whole queue.
_OF_QUEUE = ("backlog", "waiting", "claimed", "accepted", "dead_lettered", "letters", "replayed", "deleted")
#: The counts shown for each list.
_OF_LIST = ("backlog", "waiting", "claimed", "letters")


def status(*, as_json: Json = False) -> None:
    """Show the backlog, who owns the lists, and any halt.

    The exit code is 77 while the service is halted.
    """
    settings = config.load()

    async def work() -> Status:
        async with queue_of(settings) as queue:
            return await survey(queue, setup_of(settings))

    found = loop.run(work())
    if as_json:
        as_line(_json(found))
    else:
        _print(found)
    raise typer.Exit(EXIT_HALTED if found.halt else 0)


def _json(found: Status) -> dict[str, object]:
    halt = found.halt
    return {
        "queue": found.queue,
        **_counts(found.total),
        "lists": [
            {"shard": shard, "list": each.name, **_counts(each.census), "owner": each.owner and asdict(each.owner)}
            for shard, each in enumerate(found.lists)
        ],
        "workers": [each.name for each in found.workers],
        "halt": halt and {"reason": halt.reason, "detail": halt.detail, "since": halt.since},
        "balanced": found.balanced,
    }


def _counts(census: Census) -> dict[str, int]:
    return {"backlog": census.backlog, **census.counts}


def _print(found: Status) -> None:
    table = Table.grid(padding=(0, 2))
    state, more = _state(found)
    table.add_row("state", state)
    if more:
        table.add_row("", more)
    counts = _counts(found.total)
    for name in _OF_QUEUE:
        table.add_row(name.replace("_", " "), f"{counts[name]:,}")
    out.print(Text(found.queue, "bold"))
    out.print(table)
    out.print(_owners(found.lists))


def _state(found: Status) -> tuple[Text, str]:
    """How the queue is doing, and what more there is to say."""
    if found.halt:
        return (
            Text(visible(f"halted: {found.halt.reason} since {found.halt.since}"), "bold red"),
            visible(found.halt.detail),
        )
    lists, without = len(found.lists), sum(each.owner is None for each in found.lists)
    if not without:
        return Text("at work", "green"), ""
    if without < lists:
        return Text(f"{without} of {lists} lists have no owner", "yellow"), ""
    backlog = found.total.backlog
    events = "1 event waits" if backlog == 1 else f"{backlog:,} events wait"
    if found.workers:
        return Text(f"No worker owns the list{'' if lists == 1 else 's'}; {events}", "yellow"), ""
    return Text(f"No worker is running; {events}", "yellow"), "Start one: `forwarder run`"


def _owners(lists: Sequence[ListStatus]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("list")
    for name in _OF_LIST:
        table.add_column(name, justify="right")
    table.add_column("owner")
    for each in lists:
        counts = _counts(each.census)
        table.add_row(each.name, *(f"{counts[name]:,}" for name in _OF_LIST), _named(each.owner))
    return table


def _named(owner: Owner | None) -> Text:
    if owner is None:
        return Text("none", "yellow")
    return Text(f"{visible(owner.worker)}, for {owner.lease_seconds:.0f} s more")
