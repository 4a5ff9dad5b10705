"""What the demo prints: a live view in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from forwarder.demo.check import Check
from forwarder.logs.printable import breaks
from forwarder.queue.census import Census

#: Columns that everything beside the bar takes: its title, 69659/69659, and the time.
_BESIDE_THE_BAR = 36
#: Seconds between two lines of progress without a terminal.
_EVERY = 2.0

out = Console(highlight=False)


def _say(text: str | Text) -> None:
    """Prints lines that end between words. No word is cut, so that an address can be copied."""
    said = Text(text) if isinstance(text, str) else text
    for line in said.divide(breaks(said.plain, out.width)):
        line.rstrip()
        out.print(line, soft_wrap=True)


def title(events: int, asked: int) -> None:
    """Prints what is about to happen: `events` of the purchases are sent, `asked` were asked for."""
    out.print(Text("forwarder demo", "bold"))
    _say(f"{events:,} real purchases from an online CD shop (CDNOW data of Fader and Hardie)")
    if asked > events:
        _say(f"There are no more than that: {asked:,} were asked for.")
    _say(Text("pushed to a private Redis, and forwarded to a stand-in for the API", "dim"))
    out.print()


@contextmanager
def progress(events: int) -> Iterator[Callable[[Census, tuple[int, int], float], None]]:
    """Shows the progress. Yields a function that updates it: counts, (POSTs, retries), seconds since the start."""
    columns = (
        TextColumn("forwarding"),
        BarColumn(bar_width=max(8, min(32, out.width - _BESIDE_THE_BAR))),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar, below = Progress(*columns, console=out), Text(style="dim")
    task = bar.add_task("", total=events)
    said = 0.0

    def show(census: Census, counted: tuple[int, int], seconds: float) -> None:
        nonlocal said
        done, (posts, retries) = census.accepted + census.dead_lettered, counted
        bar.update(task, completed=done)
        rate = f"{posts:,} POSTs, {done / max(1, posts):.1f} events each"
        below.plain = f"{rate}, {retries:,} retries, {census.letters:,} dead"
        if not out.is_terminal and seconds - said >= _EVERY:
            said = seconds
            _say(f"{seconds:5.1f} s  {done:,} of {events:,} done, {posts:,} POSTs, {retries:,} retries")

    with Live(Group(bar, below), console=out, transient=True) if out.is_terminal else nullcontext():
        yield show


def summary(numbers: Mapping[str, str], checks: Sequence[Check], *, faults: bool) -> None:
    """Prints the figures and the checks."""
    widest = max(map(len, numbers.values()))
    for name, value in numbers.items():
        out.print(Text(f"{value:>{widest}}", "bold").append(f"  {name}", "default"))
    out.print()
    for check in checks:
        mark = Text("✔ ", "bold green") if check.holds else Text("✘ ", "bold red")
        _say(mark.append(check.text, "default"))
    if all(check.holds for check in checks):
        hint = "push your own events, see README.md" if faults else "`forwarder demo --faults`, with an API that fails"
        out.print()
        _say(Text("Nothing was lost. ", "bold green").append(f"Next: {hint}", "default"))


def commands(steps: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Prints what can be done with what is left running: sentences, and commands to copy, which are never wrapped."""
    out.print()
    _say("Everything keeps running. Copy these into another terminal:")
    for what, lines in steps:
        out.print()
        _say(f"{what}:")
        for line in lines:
            out.print(Text(f"  {line}", "bold"), soft_wrap=True)


def interrupted() -> None:
    """Prints that a signal ended the demo. Called once everything is cleaned up."""
    _say(Text("interrupted: all processes were stopped, and all files deleted", "yellow"))


def log_tail(text: str) -> None:
    """Prints the last lines of the worker's log."""
    for line in text.splitlines()[-20:]:
        out.print(Text(line, "dim"), soft_wrap=True)
