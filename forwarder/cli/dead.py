"""`forwarder dead ...`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from forwarder import config, dead, show
from forwarder.cli.options import EXIT_FAILURE, DryRun, Json, Limit, Reason, Status, User, records_of, run_to_end
from forwarder.errors import InvalidElementError

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...")]
Every = Annotated[bool, typer.Option("--all", help="All letters, or all that match the filters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

app = typer.Typer(help="Events that the API refused, or that are no events.", no_args_is_help=True)


@app.command("list")
def dead_list(
    *,
    reason: Reason = None,
    status: Status = None,
    user: User = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first; with --json one object a line."""
    settings = config.load()

    async def work() -> None:
        async with records_of(settings) as records:
            await show.letters(dead.select(records, dead.Filter(reason, status, user, limit)), as_json=as_json)

    run_to_end(work())


@app.command("show")
def dead_show(letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: Json = False) -> None:
    """Show one dead letter in full."""
    settings = config.load()

    async def work() -> int:
        async with records_of(settings) as records:
            letter = await records.letter(letter_id)
        if letter is None:
            show.problem(f"no dead letter {letter_id}")
            return EXIT_FAILURE
        show.letter(letter, as_json=as_json)
        return 0

    raise typer.Exit(run_to_end(work()))


def _which(letter_ids: Sequence[str] | None, which: dead.Filter, *, every: bool) -> dead.Filter:
    """The filter, if it is clear which letters are meant."""
    if bool(letter_ids) == (every or which != dead.Filter()):
        raise typer.BadParameter("give ids, or a filter, or --all; not both, not neither")
    return which


def _missing(letter_ids: Sequence[str] | None, found: int) -> int:
    """How many of the ids that were given are no letters."""
    return len(set(letter_ids)) - found if letter_ids else 0


@app.command("replay")
def dead_replay(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    reason: Reason = None,
    status: Status = None,
    user: User = None,
    limit: Limit = None,
    dry_run: DryRun = False,
) -> None:
    """Push dead letters again, oldest first, as the newest events of their list."""
    which = _which(letter_ids, dead.Filter(reason, status, user, limit), every=every)
    settings = config.load()

    async def work() -> int:
        async with records_of(settings) as records:
            replayed = 0
            async for letter in dead.chosen(records, letter_ids, which):
                done = dry_run or await dead.replay(
                    records, letter, side=settings.consume_from, max_bytes=int(settings.max_event_bytes)
                )
                replayed += done
            missing = _missing(letter_ids, replayed)
        show.replayed(replayed, missing, dry_run=dry_run)
        return EXIT_FAILURE if missing else 0

    raise typer.Exit(run_to_end(work()))


@app.command("export")
def dead_export(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    reason: Reason = None,
    status: Status = None,
    user: User = None,
    limit: Limit = None,
) -> None:
    """Write dead letters to standard output, as NDJSON that push takes. What is no event is left out (exit 1)."""
    which = _which(letter_ids, dead.Filter(reason, status, user, limit), every=every)
    settings = config.load()

    async def work() -> int:
        found = left_out = 0
        async with records_of(settings) as records:
            async for letter in dead.chosen(records, letter_ids, which):
                found += 1
                try:
                    sys.stdout.buffer.write(dead.line(letter, int(settings.max_event_bytes)) + b"\n")
                except InvalidElementError as error:
                    left_out += 1
                    show.problem(f"{letter.id} left out: {error}")
        sys.stdout.flush()
        missing = _missing(letter_ids, found)
        show.missing(missing)
        return EXIT_FAILURE if left_out or missing else 0

    raise typer.Exit(run_to_end(work()))


@app.command("delete")
def dead_delete(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    reason: Reason = None,
    status: Status = None,
    user: User = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete dead letters for good; asks before it does."""
    which = _which(letter_ids, dead.Filter(reason, status, user, limit), every=every)
    settings = config.load()

    async def work() -> int:
        async with records_of(settings) as records:
            # Decided before anything is asked: what comes in meanwhile was not meant.
            meant = [letter.id async for letter in dead.chosen(records, letter_ids, which)]
            missing = _missing(letter_ids, len(meant))
            if meant and not (dry_run or yes or _agreed(f"Delete {show.count_of(len(meant))} for good?")):
                return EXIT_FAILURE
            deleted = len(meant) if dry_run else sum([await records.delete(letter_id) for letter_id in meant])
        show.deleted(deleted, missing, dry_run=dry_run)
        return EXIT_FAILURE if missing else 0

    raise typer.Exit(run_to_end(work()))


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        show.problem(f"{question} Nobody can be asked here; say --yes.")
        return False
    return typer.confirm(question, err=True)
