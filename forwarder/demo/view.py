"""What the demo prints: alive in a terminal, plain lines anywhere else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from forwarder.demo.check import Check
from forwarder.queue import Census

#: Seconds between two lines of progress when nobody looks at a terminal.
_EVERY = 2.0

out = Console(highlight=False)


def title(redis_url: str, events: int) -> None:
    """What is about to happen, and with what."""
    out.print(Text("forwarder demo", "bold"))
    out.print(f"{events:,} real purchases of an online CD shop (CDNOW data of Fader and Hardie)")
    out.print(Text(f"pushed onto a private Redis ({redis_url}), forwarded to a stand-in API\n", "dim"), soft_wrap=True)


@contextmanager
def progress(events: int) -> Iterator[Callable[[Census, tuple[int, int], float], None]]:
    """Where to tell how it stands: the counts, POSTs and retries, and after how many seconds."""
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
    """The figures, and the verdict."""
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
        hint = "the README, to push events of your own" if faults else "forwarder demo --faults, with an API that fails"
        out.print(Text("\nNothing lost. ", "bold green").append(f"Next: {hint}.", "default"), soft_wrap=True)


def addresses(redis_url: str, api_url: str, admin: str, queue: str) -> None:
    """Where everything is that was left running."""
    table = Table.grid(padding=(0, 2))
    table.add_row("Redis", redis_url, f"RPUSH {queue} " + '\'{"user_id":"u-1","name":"hello"}\'')
    table.add_row("stand-in API", api_url, "GET /ledger?summary=1, PUT /faults")
    table.add_row("worker", admin, "/ (status page), /metrics, /readyz, /livez")
    out.print("\nEverything is left running. Ctrl-C ends it.")
    out.print(table, soft_wrap=True)


def interrupted() -> None:
    """Said when a signal ended the demo, after everything is cleaned up."""
    out.print("interrupted: everything it had started is ended, its files are gone", style="yellow")


def log_tail(text: str) -> None:
    """The end of the worker's log."""
    for line in text.splitlines()[-20:]:
        out.print(Text(line, "dim"), soft_wrap=True)
