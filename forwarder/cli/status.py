"""`forwarder status`."""

from typing import Any, cast

import typer
from rich.table import Table
from rich.text import Text

from forwarder import config
from forwarder.cli.options import EXIT_HALTED, Json
from forwarder.cli.output import as_line, out
from forwarder.cli.running import lists_of, run_to_end
from forwarder.logs.printable import visible
from forwarder.operations.status import survey


def status(*, as_json: Json = False) -> None:
    """Show what waits, what is claimed, who owns the list, and whether it is halted (then exit 77)."""
    settings = config.load()

    async def work() -> int:
        async with lists_of(settings) as lists:
            found = await survey(lists)
        if as_json:
            as_line({"queue": settings.queue, **found})
        else:
            _print(found, settings.queue)
        return EXIT_HALTED if found["halt"] else 0

    raise typer.Exit(run_to_end(work()))


def _print(found: dict[str, object], queue: str) -> None:
    lists = cast("list[dict[str, Any]]", found["lists"])
    table = Table.grid(padding=(0, 2))
    halt, owned = cast("dict[str, str] | None", found["halt"]), sum(each["owner"] is not None for each in lists)
    if halt:
        table.add_row("state", Text(visible(f"halted: {halt['reason']} since {halt['since']}"), "bold red"))
        table.add_row("", visible(halt["detail"]))
    elif owned == len(lists):
        table.add_row("state", Text("at work", "green"))
    elif owned:
        table.add_row("state", Text(f"{len(lists) - owned} of {len(lists)} lists have no owner", "yellow"))
    else:
        whose = "the list" if len(lists) == 1 else "the lists"
        table.add_row("state", Text(f"nobody owns {whose}: no worker is running", "yellow"))
    for name in ("waiting", "claimed", "accepted", "dead_lettered", "letters", "replayed", "deleted"):
        table.add_row(name.replace("_", " "), f"{found[name]:,}")
    out.print(Text(queue, "bold"))
    out.print(table)
    out.print(_owners(lists))


def _owners(lists: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("list")
    for number in ("waiting", "claimed", "letters"):
        table.add_column(number, justify="right")
    table.add_column("owner")
    for each in lists:
        owner = each["owner"]
        told = (
            Text(f"{visible(owner['worker'])}, for {owner['lease_seconds']:.0f} s more")
            if owner
            else Text("nobody", "yellow")
        )
        table.add_row(each["list"], f"{each['waiting']:,}", f"{each['claimed']:,}", f"{each['letters']:,}", told)
    return table
