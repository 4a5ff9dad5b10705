"""What `forwarder dead replay` prints, while it works and at the end."""

from dataclasses import asdict

from rich.text import Text

from forwarder.cli.dead.output import print_missing, print_spared
from forwarder.cli.output import as_line, out, problem, say
from forwarder.dead_letters.canary import Findings
from forwarder.dead_letters.letter import count_of, summary
from forwarder.dead_letters.replay import Replay, Report
from forwarder.dead_letters.selection import Selection
from forwarder.logs.printable import visible
from forwarder.queue.census import Undecided


def state_of(undecided: Undecided) -> str:
    """The text in front of the progress bar: how the canary is doing, and then the replay."""
    waits = f"canary: {undecided.waiting:,} waiting, {undecided.claimed:,} claimed"
    return waits if undecided.waiting + undecided.claimed else "replaying"


def print_json(report: Report, selection: Selection, *, dry_run: bool) -> None:
    """Prints the result for a script."""
    found = {"replayed": report.replayed, "kept": [asdict(kept) for kept in report.kept], "taken": report.taken}
    left = {"left": selection.count - report.done, "missing": selection.missing, "dry_run": dry_run}
    as_line({**found, **left, "left_out": dict(selection.spared), "canary": _canary(report.canary)})


def _canary(found: Findings | None) -> dict[str, object] | None:
    if found is None:
        return None
    refused = [{**summary(again.letter), "was": again.was} for again in found.refused]
    return {"sent": found.sent, "well": found.well, "refused": refused, "stopped": found.stopped}


def print_report(replay: Replay, selection: Selection, *, edited: bool, dry_run: bool) -> None:
    """Prints what was replayed, or would be. A dry run shows the first event as edited."""
    report = replay.report
    if report.canary is not None:
        _print_canary(report.canary)
    say(f"{'would replay' if dry_run else 'replayed'} {count_of(report.replayed)}")
    if dry_run and edited and replay.example is not None:
        example = visible(replay.example.decode(errors="backslashreplace"))
        say(Text(f"the first one as {example}", "dim"))
    left = selection.count - report.done
    problems = (
        (len(report.kept), "stayed"),
        (report.taken, "had been replayed or deleted by someone else"),
        (left, "not tried"),
    )
    for number, what in problems:
        if number:
            problem(f"{count_of(number)} {what}")
    print_missing(selection.missing)
    print_spared(selection.spared)


def _print_canary(found: Findings) -> None:
    if found.well:
        out.print(Text("canary: ", "bold green").append(f"{found.sent} of {found.sent} accepted", "default"))
    for again in found.refused:
        why = visible(again.letter.detail) or again.letter.reason
        problem(f"canary refused again: {again.letter.id} ({again.letter.reason}: {why}), which was {again.was}")
    if found.stopped:
        problem(f"canary: {visible(found.stopped)}")


def print_unfinished(report: Report, selection: Selection) -> None:
    """Prints how far an interrupted replay came."""
    far = f"stopped after {report.replayed:,} of {count_of(selection.count)}"
    problem(f"{far}. Nothing is lost or pushed twice. To continue, run the same command again")
