"""`forwarder dead replay`."""

import asyncio
import math
from collections.abc import Sequence
from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.dead.filters import Every, Ids, Yes, agreed, letters_of, must_be_clear, with_filter
from forwarder.cli.dead.output import question
from forwarder.cli.dead.report import print_json, print_report, print_unfinished, state_of
from forwarder.cli.options import EXIT_FAILURE, EXIT_HALTED, DryRun, Json, duration
from forwarder.cli.output import Problems
from forwarder.cli.progress import Bar, bar
from forwarder.dead_letters.canary import Canary
from forwarder.dead_letters.edit import Edit, program, setting
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.replay import Kept, Replay, Report, Terms
from forwarder.dead_letters.selection import Filter, Selection
from forwarder.errors import ForwarderError
from forwarder.logs.printable import visible
from forwarder.queue.census import Undecided
from forwarder.runtime import loop

#: Seconds to wait for the canary.
_CANARY_TIMEOUT = 300.0

CanarySize = Annotated[
    int | None,
    typer.Option("--canary", min=1, metavar="N", help="Send N first, and stop if one of them is refused again."),
]
CanaryTimeout = Annotated[
    float | None,
    typer.Option(parser=duration, metavar="TIME", help="How long to wait for the canary. Default: 5m."),
]
Rate = Annotated[float, typer.Option(min=0, metavar="N", help="At most N letters per second; 0 means no limit.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Set a member of each event. A value that is not JSON is a string."
    ),
]
Program = Annotated[
    str | None,
    typer.Option(
        "--program",
        metavar="COMMAND",
        help="A shell command that reads one event and writes the new one, such as 'jq -c …'.",
    ),
]


@with_filter
def dead_replay(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    which: Filter,
    canary: CanarySize = None,
    canary_timeout: CanaryTimeout = None,
    rate: Rate = 0.0,
    members: Set = None,
    command: Program = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Push dead letters again, oldest first.

    They become the newest events of their list. Asks first, unless --yes is given. Those of erased users stay, and so
    do invalid elements that are not edited, unless --reason or their IDs are given.
    """
    must_be_clear(letter_ids, which, every=every)
    if not math.isfinite(rate):
        raise typer.BadParameter(f"--rate: {rate} is not a finite number; example: 50")
    settings = config.load()
    terms = Terms(int(settings.max_event_bytes), _edit(members, command, int(settings.max_event_bytes)), rate, dry_run)
    stays = Problems(and_more="more letters stay; from here on they are only counted")

    def name_kept(kept: Kept) -> None:
        stays.add(f"{kept.id} stays: {visible(kept.why)}")

    async def work() -> int:
        async with letters_of(settings) as letters:
            # Selected before the question: what becomes a dead letter meanwhile, even again, is not replayed.
            selection = await letters.selection(letter_ids, which.for_replay(edited=terms.edit is not None))
            asked = question("Replay", selection, edited=terms.edit is not None)
            if selection.count and not dry_run and not agreed(asked, yes=yes):
                return EXIT_FAILURE
            with bar("replaying", selection.count) as progress:
                bird = await _canary(letters, selection, canary, canary_timeout or _CANARY_TIMEOUT, progress)
                replay = Replay(letters, terms, canary=bird, kept=name_kept)
                await _run(replay, selection, progress)
        _print(replay, selection, terms, as_json=as_json)
        return _exit_code(replay.report, selection)

    raise typer.Exit(loop.run(work()))


def _edit(members: Sequence[str] | None, command: str | None, most: int) -> Edit | None:
    if members and command is not None:
        raise typer.BadParameter("Use --set or --program, not both")
    if command is not None:
        return program(command, most=most)
    try:
        return setting(members) if members else None
    except ValueError as error:
        raise typer.BadParameter(f"--set: {error}") from None


async def _canary(
    letters: Letters, selection: Selection, size: int | None, seconds: float, progress: Bar
) -> Canary | None:
    if size is None:
        return None

    def show(undecided: Undecided) -> None:
        progress.describe(state_of(undecided))

    after = (await letters.now(), selection.last)
    return Canary(letters, size=size, after=after, timeout=seconds, progress=show)


async def _run(replay: Replay, selection: Selection, progress: Bar) -> None:
    try:
        await replay.run(selection, progress.reach)
    except (ForwarderError, asyncio.CancelledError):
        print_unfinished(replay.report, selection)
        raise


def _print(replay: Replay, selection: Selection, terms: Terms, *, as_json: bool) -> None:
    if as_json:
        print_json(replay.report, selection, dry_run=terms.dry_run)
    else:
        print_report(replay, selection, edited=terms.edit is not None, dry_run=terms.dry_run)


def _exit_code(report: Report, selection: Selection) -> int:
    if report.canary is not None and report.canary.halted:
        return EXIT_HALTED
    well = report.canary is None or report.canary.well
    return 0 if well and not report.kept and not selection.missing else EXIT_FAILURE
