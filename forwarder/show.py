"""What a person reads in a terminal. What a script reads is JSON on standard output, problems go to the other."""

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from forwarder.errors import ConfigurationError
from forwarder.producer import Lines, Pushed
from forwarder.queue import Census, HaltRecord
from forwarder.status import Finding

#: So many things that are wrong are named one by one; of more only the number is said.
NAMED = 20

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def as_line(value: object) -> None:
    """JSON on one line of standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def problem(text: str) -> None:
    """Something that went wrong, one line."""
    err.print(Text("forwarder: ", "bold red").append(text, "default"), soft_wrap=True)


@contextmanager
def lines(file: Path) -> Iterator[tuple[Iterable[bytes], Callable[[int], None]]]:
    """The lines of a file or of standard input (-), and where to tell how many bytes of them are done.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        with _opened(file) as (stream, size), _bar(size) as progress:
            yield stream, progress
    except (OSError, EOFError) as error:
        raise ConfigurationError([f"cannot read {file}: {getattr(error, 'strerror', None) or error}"]) from error


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    if str(file) == "-":
        if sys.stdin is None:  # started without one
            raise OSError("standard input is closed")
        yield sys.stdin.buffer, None
    elif file.suffix == ".gz":
        with gzip.open(file) as stream:
            yield cast("BinaryIO", stream), None
    else:
        with file.open("rb") as stream:
            yield stream, file.stat().st_size


@contextmanager
def _bar(size: int | None) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("pushing"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("push", total=size)
        yield lambda count: progress.advance(task, count)


class WrongLines:
    """Names lines that are skipped; after twenty, no more."""

    def __init__(self) -> None:
        self._named = 0

    def __call__(self, number: int, why: str) -> None:
        """Line `number` is no event."""
        self._named += 1
        if self._named <= NAMED:
            problem(f"line {number}: {why}")
        elif self._named == NAMED + 1:
            problem("more lines are wrong: only counted from here on")


def pushed(result: Pushed, queue: str) -> None:
    """What became of the lines."""
    text = f"pushed {result.events:,} events onto {queue}"
    if result.wrong:
        text += f", skipped {len(result.wrong):,} wrong lines"
    out.print(text, soft_wrap=True)


def stopped(lines: Lines) -> None:
    """Where to go on after a push that did not come to its end."""
    following = lines.given + 1
    problem(f"{lines.stopped}. Lines 1 to {lines.given} are done: go on with line {following} (tail -n +{following})")


def status(found: dict[str, object], queue: str, *, as_json: bool) -> None:
    """The answer of `forwarder status`."""
    if as_json:
        as_line({"queue": queue, **found})
        return
    table = Table.grid(padding=(0, 2))
    halt, owner = cast("dict[str, str] | None", found["halt"]), cast("dict[str, object] | None", found["owner"])
    if halt:
        table.add_row("state", Text(f"halted: {halt['reason']} since {halt['since']}", "bold red"))
        table.add_row("", halt["detail"])
    elif owner:
        table.add_row("state", Text(f"owned by {owner['token']}, for {owner['lease_seconds']} s more", "green"))
    else:
        table.add_row("state", Text("nobody owns the list: no worker is running", "yellow"))
    for name in ("waiting", "claimed", "accepted", "dead_lettered", "letters", "replayed", "deleted"):
        table.add_row(name.replace("_", " "), f"{found[name]:,}")
    out.print(Text(queue, "bold"))
    out.print(table)


def audit(census: Census, queue: str, *, as_json: bool) -> None:
    """The answer of `forwarder audit`: each identity, and by how much it is off."""
    if as_json:
        as_line({"queue": queue, **asdict(census), "lease": None, "imbalances": census.imbalances})
        return
    pushed = census.waiting + census.sequence - census.replayed
    out.print(Text(queue, "bold").append(f": {pushed:,} events pushed so far, as far as Redis knows", "default"))
    for identity, off in census.imbalances.items():
        mark = Text("✔ ", "bold green") if off == 0 else Text("✘ ", "bold red")
        out.print(mark.append(identity + (f", off by {off:+,}" if off else ""), "default"), soft_wrap=True)


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """The answer of `forwarder check`."""
    if as_json:
        as_line([asdict(finding) for finding in found])
        return
    marks = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "failure": ("failure", "bold red")}
    for finding in found:
        mark, style = marks[finding.grade]
        out.print(Text(mark, style), Text(f"{finding.what}: {finding.detail}"), soft_wrap=True)


def resumed(halt: HaltRecord | None) -> None:
    """What `forwarder resume` has ended."""
    if halt is None:
        out.print("nothing was halted")
    else:
        out.print(f"resumed; it was halted since {halt.since or 'an unknown time'}: {halt.reason}: {halt.detail}")


def simulating(url: str) -> None:
    """Where the stand-in API listens; flushed, as whoever started it may wait for this line."""
    sys.stdout.write(f"the stand-in API listens on {url} (GET /ledger?summary=1, PUT /faults)\n")
    sys.stdout.flush()
