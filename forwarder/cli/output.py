"""What a person reads in a terminal. What a script reads is JSON on standard output, problems go to the other."""

import gzip
import operator
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from forwarder.cli.ndjson import Lines, Pushed
from forwarder.dead_letters.letter import count_of
from forwarder.errors import ConfigurationError
from forwarder.logs.printable import visible, visible_lines
from forwarder.logs.redaction import hidden
from forwarder.operations.redistribute import Moved
from forwarder.operations.reshard import Plan
from forwarder.operations.status import Finding
from forwarder.queue import Census, Content, HaltRecord

#: So many things that are wrong are named one by one; of more only the number is said.
NAMED = 20

# Without markup: brackets in what is shown are no tags, whoever wrote it.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def as_line(value: object) -> None:
    """JSON on one line of standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def problem(text: str) -> None:
    """Something that went wrong, one line; it may quote what Redis, a file or a program has said."""
    said = visible_lines(hidden(text))
    err.print(Text("forwarder: ", "bold red").append(said, "default"), soft_wrap=True)


@contextmanager
def written() -> Iterator[None]:
    """Writes out what is written to standard output within.

    Raises:
        ConfigurationError: it could not be written, all of it.
        BrokenPipeError: its reader has gone.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is still in its buffer would fail once more, and noisily, at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigurationError([f"cannot write to standard output: {error.strerror or error}"]) from error


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


def audit(found: Mapping[str, Census], queue: str, *, as_json: bool) -> None:
    """The answer of `forwarder audit`: each identity, over all lists, and by how much it is off in which."""
    total = reduce(operator.add, found.values())
    if as_json:
        lists = {name: {**census.counts, "imbalances": census.imbalances} for name, census in found.items()}
        as_line({"queue": queue, **total.counts, "imbalances": total.imbalances, "lists": lists})
        return
    pushed = total.waiting + total.sequence - total.replayed
    out.print(Text(queue, "bold").append(f": {pushed:,} events pushed so far, as far as Redis knows", "default"))
    for identity in total.imbalances:
        off = {name: census.imbalances[identity] for name, census in found.items() if census.imbalances[identity]}
        mark = Text("✘ ", "bold red") if off else Text("✔ ", "bold green")
        by = ", ".join(f"{name} off by {number:+,}" for name, number in off.items())
        out.print(mark.append(identity + (f": {by}" if by else ""), "default"), soft_wrap=True)


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """The answer of `forwarder check`."""
    if as_json:
        as_line([asdict(finding) for finding in found])
        return
    marks = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "failure": ("failure", "bold red")}
    for finding in found:
        mark, style = marks[finding.grade]
        out.print(Text(mark, style), Text(visible(f"{finding.what}: {finding.detail}")), soft_wrap=True)


def resumed(halt: HaltRecord | None) -> None:
    """What `forwarder resume` has ended."""
    if halt is None:
        out.print("nothing was halted")
    else:
        out.print(
            visible(f"resumed; it was halted since {halt.since or 'an unknown time'}: {halt.reason}: {halt.detail}")
        )


def _lists(number: int) -> str:
    return f"{number:,} list{'' if number == 1 else 's'}"


def not_resharded(plan: Plan) -> None:
    """That the queue has as many lists as it was to have."""
    out.print(f"{plan.queue} has {_lists(plan.after)} already: nothing to do", soft_wrap=True)


def resharding(plan: Plan, *, dry_run: bool) -> None:
    """What `forwarder reshard` is about to do."""
    held = f"{plan.waiting:,} events waiting, {plan.claimed:,} claimed, {count_of(plan.letters)}"
    way = f"from {plan.before:,} to {_lists(plan.after)}"
    doing = "would finish resharding" if plan.mark else "would reshard"
    if not dry_run:
        doing = "finishing to reshard" if plan.mark else "resharding"
    out.print(f"{doing} {plan.queue} {way}: {held}", soft_wrap=True)
    if plan.strays:
        names = ", ".join(keys.list for keys in plan.strays)
        out.print(f"also what nobody drains, as it belongs to another number of lists: {names}", soft_wrap=True)


@contextmanager
def moving(plan: Plan) -> Iterator[Callable[[int], None]]:
    """A bar in a terminal, and where to tell how many events and letters have come into their new lists."""
    columns = (TextColumn("moving"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("move", total=plan.waiting + plan.claimed)
        yield lambda count: progress.advance(task, count)


def resharded(plan: Plan, moved: Moved, late: Mapping[str, Content]) -> None:
    """What `forwarder reshard` has done, and what came too late."""
    out.print(
        f"moved {moved.events:,} events and {count_of(moved.letters)}. {plan.queue} has {_lists(plan.after)} now: "
        f"start workers and producers with FORWARDER_SHARDS={plan.after}",
        soft_wrap=True,
    )
    for name, content in late.items():
        problem(
            f"{content.waiting:,} events were pushed onto {name} meanwhile, which nobody drains: stop the producers "
            f"that still do so, and run `forwarder reshard {plan.after} --move` again"
        )


def simulating(url: str) -> None:
    """Where the stand-in API listens; flushed, as whoever started it may wait for this line."""
    sys.stdout.write(f"the stand-in API listens on {url} (GET /ledger?summary=1, PUT /faults)\n")
    sys.stdout.flush()
