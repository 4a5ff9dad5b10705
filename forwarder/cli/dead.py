"""`forwarder dead ...`."""

from typing import Annotated

import typer

from forwarder import config, dead, show
from forwarder.cli.options import EXIT_FAILURE, DryRun, Json, Limit, Reason, Status, User, records_of, run_to_end

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


@app.command("replay")
def dead_replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All letters, or all that match the filters.")] = False,
    reason: Reason = None,
    status: Status = None,
    user: User = None,
    limit: Limit = None,
    dry_run: DryRun = False,
) -> None:
    """Push dead letters again, oldest first, as the newest events of their list."""
    which = dead.Filter(reason, status, user, limit)
    if bool(letter_ids) == (every or which != dead.Filter()):
        raise typer.BadParameter("give ids, or a filter, or --all; not both, not neither")
    settings = config.load()

    async def work() -> int:
        async with records_of(settings) as records:
            replayed = 0
            async for letter in dead.chosen(records, letter_ids, which):
                done = dry_run or await dead.replay(records, letter, side=settings.consume_from)
                replayed += done
            missing = len(letter_ids or ()) - replayed if letter_ids else 0
        show.replayed(replayed, missing, dry_run=dry_run)
        return EXIT_FAILURE if missing else 0

    raise typer.Exit(run_to_end(work()))
