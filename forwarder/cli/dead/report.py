"""What `forwarder dead replay` says: while it works, and at its end."""

from dataclasses import asdict

from rich.text import Text

from forwarder.cli.dead.output import print_missing
from forwarder.cli.output import as_line, out, problem
from forwarder.dead_letters.canary import Findings
from forwarder.dead_letters.letter import count_of, summary
from forwarder.dead_letters.letters import Selection
from forwarder.dead_letters.replay import Replay, Report
from forwarder.logs.printable import visible
from forwarder.queue import Undecided


def state_of(undecided: Undecided) -> str:
    """What stands in front of the progress bar: the canary while it is awaited, then the replay."""
    waits = f"canary: {undecided.waiting:,} wait, {undecided.claimed:,} claimed"
    return waits if undecided.waiting + undecided.claimed else "replaying"


def print_json(report: Report, selection: Selection, *, dry_run: bool) -> None:
    """The answer for a script."""
    found = {"replayed": report.replayed, "kept": [asdict(kept) for kept in report.kept], "taken": report.taken}
    left = {"left": selection.count - report.done, "missing": selection.missing, "dry_run": dry_run}
    as_line({**found, **left, "canary": _canary(report.canary)})


def _canary(found: Findings | None) -> dict[str, object] | None:
    if found is None:
        return None
    refused = [{**summary(again.letter), "was": again.was} for again in found.refused]
    return {"sent": found.sent, "well": found.well, "refused": refused, "stopped": found.stopped}


def print_report(replay: Replay, selection: Selection, *, edited: bool, dry_run: bool) -> None:
    """What was replayed, or would be; of edited events the first one is shown before anything is pushed."""
    report = replay.report
    if report.canary is not None:
        _print_canary(report.canary)
    out.print(f"{'would replay' if dry_run else 'replayed'} {count_of(report.replayed)}", soft_wrap=True)
    if dry_run and edited and replay.example is not None:
        example = visible(replay.example.decode(errors="backslashreplace"))
        out.print(Text(f"the first as {example}", "dim"), soft_wrap=True)
    left = selection.count - report.done
    problems = ((len(report.kept), "stayed"), (report.taken, "had been taken by somebody else"), (left, "not tried"))
    for number, what in problems:
        if number:
            problem(f"{count_of(number)} {what}")
    print_missing(selection.missing)


def _print_canary(found: Findings) -> None:
    if found.well:
        out.print(Text("canary: ", "bold green").append(f"{found.sent} of {found.sent} accepted", "default"))
    for again in found.refused:
        why = visible(again.letter.detail) or again.letter.reason
        problem(f"canary refused again: {again.letter.id} ({again.letter.reason}: {why}), which was {again.was}")
    if found.stopped:
        problem(f"canary: {visible(found.stopped)}")


def print_unfinished(report: Report, selection: Selection) -> None:
    """How far a replay came that was cut off."""
    far = f"stopped after {report.replayed:,} of {count_of(selection.count)}"
    problem(f"{far}. Nothing is lost or pushed twice: run it again to go on")
