"""What the demo prints: a live view in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from forwarder.demo.check import Check
from forwarder.queue.census import Census

#: Seconds between two lines of progress without a terminal.
_EVERY = 2.0

out = Console(highlight=False)


def title(redis_url: str, events: int) -> None:
    """Prints what is about to happen."""
    out.print(Text("forwarder demo", "bold"))
    out.print(f"{events:,} real purchases from an online CD shop (CDNOW data of Fader and Hardie)")
    out.print(Text(f"pushed to a private Redis ({redis_url}) and forwarded to a stand-in API\n", "dim"), soft_wrap=True)


@contextmanager
def progress(events: int) -> Iterator[Callable[[Census, tuple[int, int], float], None]]:
    """Shows the progress. Yields a function that updates it: counts, (POSTs, retries), seconds since the start."""
    columns = (
        TextColumn("forwarding"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar, below = Progress(*columns, console=out), Text(style="dim", no_wrap=True)
    task = bar.add_task("", total=events)
    said = 0.0

    def show(census: Census, counted: tuple[int, int], seconds: float) -> None:
        nonlocal said
        done, (posts, retries) = census.accepted + census.dead_lettered, counted
        rate = f"{posts:,} POSTs, {done / max(1, posts):.1f} events each"
        note = f"{rate}, {census.waiting + census.claimed:,} to go, {retries:,} retries, {census.letters:,} dead"
        bar.update(task, completed=done)
        below.plain = note
        if not out.is_terminal and seconds - said >= _EVERY:
            said = seconds
            out.print(f"{seconds:5.1f} s  {done:,} of {events:,}: {note}", soft_wrap=True)

    with Live(Group(bar, below), console=out, transient=True) if out.is_terminal else nullcontext():
        yield show


def summary(numbers: Mapping[str, str], checks: Sequence[Check], *, faults: bool) -> None:
    """Prints the figures and the checks."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    for name, value in numbers.items():
        table.add_row(value, name)
    out.print(table)
    out.print()
    for check in checks:
        mark = Text("✔ ", "bold green") if check.holds else Text("✘ ", "bold red")
        out.print(mark.append(check.text, "default"), soft_wrap=True)
    if all(check.holds for check in checks):
        hint = "push your own events, see README.md" if faults else "`forwarder demo --faults`, with an API that fails"
        out.print(Text("\nNothing was lost. ", "bold green").append(f"Next: {hint}", "default"), soft_wrap=True)


def addresses(redis_url: str, api_url: str, admin: str, queue: str) -> None:
    """Prints the addresses of what is left running."""
    table = Table.grid(padding=(0, 2))
    table.add_row("Redis", redis_url, f"RPUSH {queue} " + '\'{"user_id":"u-1","name":"hello"}\'')
    table.add_row("stand-in API", api_url, "GET /ledger?summary=1, PUT /faults")
    table.add_row("worker", admin, "/ (status page), /metrics, /readyz, /livez")
    out.print("\nEverything keeps running. Ctrl-C stops it.")
    out.print(table, soft_wrap=True)


def interrupted() -> None:
    """Prints that a signal ended the demo. Called once everything is cleaned up."""
    out.print("interrupted: all processes were stopped, and all files deleted", style="yellow")


def log_tail(text: str) -> None:
    """Prints the last lines of the worker's log."""
    for line in text.splitlines()[-20:]:
        out.print(Text(line, "dim"), soft_wrap=True)
