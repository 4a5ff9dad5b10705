"""What a person reads of dead letters in a terminal; with ``as_json`` what a script reads."""

import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from forwarder.cli.output import NAMED, as_line, err, out, problem
from forwarder.dead_letters.canary import Findings
from forwarder.dead_letters.letter import count_of, order, summary
from forwarder.dead_letters.letters import Selection
from forwarder.dead_letters.replay import Kept, Report
from forwarder.logs.printable import visible
from forwarder.queue import DeadLetter, Undecided

#: Characters of a user or a name in a list.
_LONGEST = 40
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def _short(text: str) -> str:
    shown = visible(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def _age(letter: DeadLetter, now: float) -> str:
    seconds = max(0.0, now - order(letter.id)[0] / 1e3)
    return next((f"{seconds / unit:.0f} {name}" for unit, name in _AGES if seconds >= unit), f"{seconds:.0f} s")


async def listed(found: AsyncIterator[DeadLetter], *, as_json: bool) -> None:
    """Dead letters, one a line."""
    count, now = 0, time.time()
    async for letter in found:
        count += 1
        shown = summary(letter)
        if as_json:
            as_line(shown)
            continue
        line = Text(f"{letter.id:<17} ", "bold").append(f"{_age(letter, now):>6}  ", "dim")
        line.append(f"{visible(letter.reason):<9} {visible(letter.status) or '-':<7} ", "default")
        line.append(f"{_short(letter.user_id) or '-'}  ", "cyan").append(f"{_short(str(shown['name'] or '-'))}  ")
        out.print(line.append(visible(letter.detail), "dim"), soft_wrap=True)
    if not as_json:
        out.print(count_of(count), style="dim")


def letter(found: DeadLetter, explanation: str, curl: bytes | str, *, as_json: bool) -> None:
    """One dead letter in full, what is likely wrong with it, and how to see that; or why it cannot be sent (a str)."""
    if as_json:
        command = curl.decode() if isinstance(curl, bytes) else None
        as_line({**summary(found), "explanation": explanation, "curl": command})
        return
    for name, value in summary(found).items():
        shown = "-" if value in {None, ""} else visible(str(value))
        out.print(Text(f"{name.replace('_', ' '):<18}", "bold").append(shown, "default"), soft_wrap=True)
    out.print()
    out.print(Text(visible(explanation), "yellow"))
    out.print()
    if isinstance(curl, str):
        out.print(Text(f"It cannot be sent at all, so no request reproduces this: {curl}", "dim"))
        return
    out.print(Text("The request that reproduces it; the key is read from FORWARDER_API_KEY:", "dim"))
    sys.stdout.flush()
    sys.stdout.buffer.write(curl + b"\n")  # as it is: nothing may be wrapped, coloured or replaced
    sys.stdout.buffer.flush()


class Bar:
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def done(self, letters: int) -> None:
        """So many letters are done."""
        self._progress.update(self._task, completed=letters)

    def canary(self, undecided: Undecided) -> None:
        """The canary is waited for, or no more."""
        waits = f"canary: {undecided.waiting:,} wait, {undecided.claimed:,} claimed"
        busy = undecided.waiting + undecided.claimed
        self._progress.update(self._task, description=waits if busy else "replaying")


@contextmanager
def bar(what: str, total: int, *, hidden: bool = False) -> Iterator[Bar]:
    """Shows how far it is, while entered."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


class Stays:
    """Names letters that stay; after twenty, no more."""

    def __init__(self) -> None:
        self._named = 0

    def __call__(self, kept: Kept) -> None:
        """This letter stays."""
        self._named += 1
        if self._named <= NAMED:
            problem(f"{kept.id} stays: {visible(kept.why)}")
        elif self._named == NAMED + 1:
            problem("more letters stay: only counted from here on")


def replayed(report: Report, total: int, missing: int, *, example: bytes | None, dry_run: bool, as_json: bool) -> None:
    """What `forwarder dead replay` has done, or would do."""
    left = total - report.done
    if as_json:
        found = {"replayed": report.replayed, "kept": [asdict(kept) for kept in report.kept], "taken": report.taken}
        as_line({**found, "left": left, "missing": missing, "dry_run": dry_run, "canary": _canary(report.canary)})
        return
    if report.canary is not None:
        _say_canary(report.canary)
    out.print(f"{'would replay' if dry_run else 'replayed'} {count_of(report.replayed)}", soft_wrap=True)
    if example is not None:
        out.print(Text(f"the first as {visible(example.decode(errors='backslashreplace'))}", "dim"), soft_wrap=True)
    problems = ((len(report.kept), "stayed"), (report.taken, "had been taken by somebody else"), (left, "not tried"))
    for number, what in problems:
        if number:
            problem(f"{count_of(number)} {what}")
    unknown(missing)


def unfinished(report: Report, total: int) -> None:
    """How far a replay came that was cut off."""
    far = f"stopped after {report.replayed:,} of {count_of(total)}"
    problem(f"{far}. Nothing is lost or pushed twice: run it again to go on")


def _canary(found: Findings | None) -> dict[str, object] | None:
    if found is None:
        return None
    refused = [{**summary(again.letter), "was": again.was} for again in found.refused]
    return {"sent": found.sent, "well": found.well, "refused": refused, "stopped": found.stopped}


def _say_canary(found: Findings) -> None:
    if found.well:
        out.print(Text("canary: ", "bold green").append(f"{found.sent} of {found.sent} accepted", "default"))
    for again in found.refused:
        why = visible(again.letter.detail) or again.letter.reason
        problem(f"canary refused again: {again.letter.id} ({again.letter.reason}: {why}), which was {again.was}")
    if found.stopped:
        problem(f"canary: {visible(found.stopped)}")


def deleted(count: int, missing: int, *, dry_run: bool, as_json: bool) -> None:
    """What `forwarder dead delete` has done, or would do."""
    if as_json:
        as_line({"deleted": count, "missing": missing, "dry_run": dry_run})
        return
    out.print(f"{'would delete' if dry_run else 'deleted'} {count_of(count)}")
    unknown(missing)


def unknown(ids: int) -> None:
    """That some ids were none of letters."""
    if ids:
        problem(f"{ids} of the ids are no dead letters (any more)")


def question(what: str, selection: Selection) -> str:
    """What is asked before a selection is replayed or deleted."""
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in selection.reasons.items())
    return f"{what} {count_of(selection.count)} ({visible(reasons)})?"
