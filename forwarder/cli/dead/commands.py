"""`forwarder dead list`, `show`, `export` and `delete`."""

import sys
from typing import Annotated

import typer
from rich.text import Text

from forwarder import config
from forwarder.cli.dead.filters import (
    Every,
    Ids,
    Yes,
    agreed,
    letters_of,
    must_be_clear,
    must_be_id,
    must_be_possible,
    with_filter,
)
from forwarder.cli.dead.output import print_letter, print_missing, question
from forwarder.cli.dead.table import end_of_list, print_table
from forwarder.cli.options import EXIT_FAILURE, DryRun, Json
from forwarder.cli.output import as_line, problem, say
from forwarder.cli.progress import bar
from forwarder.cli.streams import write_bytes
from forwarder.dead_letters.anomalies import named
from forwarder.dead_letters.curl import curl
from forwarder.dead_letters.groups import by_name, matching
from forwarder.dead_letters.letter import count_of, explained, line, summary
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.selection import Filter, Selection
from forwarder.errors import InvalidElementError
from forwarder.runtime import loop


@with_filter
def dead_list(
    *,
    which: Filter,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first.

    With --json, each is one JSON object on a line of its own.
    """
    must_be_possible(which)
    settings = config.load()

    async def work() -> None:
        async with letters_of(settings) as letters:
            found = letters.select(which, newest=newest)
            if as_json:
                async for letter in found:
                    as_line(summary(letter))
                return
            shown = await print_table(found)
            say(Text(end_of_list(shown, await _matching(letters, which, shown)), "dim"))

    loop.run(work())


async def _matching(letters: Letters, which: Filter, shown: int) -> int | None:
    """How many letters match, also those that were not shown; None if that is not known."""
    if shown != which.limit:
        return shown
    if (which.user, which.older, which.newer) != (None, None, None):
        return None
    if which == Filter(limit=which.limit):
        return max(shown, await letters.kept())
    with bar("counting", await letters.kept()) as progress:
        lists = await letters.groups(progress.advance)
    found = matching(by_name(lists), which) if all(each.exact for each in lists) else None
    return None if found is None else max(shown, found)


def dead_show(letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: Json = False) -> None:
    """Show one dead letter, and what is likely wrong with it.

    Also prints the curl command that sends the same request.
    """
    must_be_id(letter_id)
    settings = config.load()

    async def work() -> int:
        async with letters_of(settings) as letters:
            letter = await letters.one(letter_id)
        if letter is None:
            problem(f"there is no dead letter {letter_id}; it may have been replayed or deleted")
            return EXIT_FAILURE
        command: bytes | str
        try:
            command = curl(letter, settings)
        except InvalidElementError as error:
            command = str(error)
        print_letter(letter, explained(letter, named), command, as_json=as_json)
        return 0

    raise typer.Exit(loop.run(work()))


@with_filter
def dead_export(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    which: Filter,
) -> None:
    """Write dead letters as NDJSON, to standard output.

    `forwarder push` takes this format. Elements that are not events are left out; the exit code is then 1.
    """
    must_be_clear(letter_ids, which, every=every)
    settings = config.load()

    async def work() -> int:
        async with letters_of(settings) as letters:
            selection = await letters.selection(letter_ids, which)
            left_out = await _export(letters, selection, int(settings.max_event_bytes))
        print_missing(selection.missing)
        return EXIT_FAILURE if left_out or selection.missing else 0

    raise typer.Exit(loop.run(work()))


async def _export(letters: Letters, selection: Selection, max_bytes: int) -> int:
    """Writes the letters that can be pushed, and names the others. Returns how many those are."""
    found = left_out = 0
    with bar("exporting", selection.count, hidden=sys.stdout.isatty()) as progress:
        async for letter in letters.each(selection):
            found += 1
            try:
                write_bytes(line(letter, max_bytes) + b"\n")
            except InvalidElementError as error:
                left_out += 1
                problem(f"{letter.id} left out: {error}")
            progress.reach(found)
    return left_out


@with_filter
def dead_delete(
    letter_ids: Ids = None,
    *,
    every: Every = False,
    which: Filter,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete dead letters for good.

    Asks first, unless --yes is given.
    """
    must_be_clear(letter_ids, which, every=every)
    settings = config.load()

    async def work() -> int:
        async with letters_of(settings) as letters:
            # Selected before the question: a letter that is added meanwhile is not deleted.
            selection = await letters.selection(letter_ids, which)
            deleted = selection.count if dry_run else 0
            if selection.count and not dry_run:
                if not agreed(question("Delete for good", selection), yes=yes):
                    return EXIT_FAILURE
                with bar("deleting", selection.count) as progress:
                    async for letter in letters.each(selection):
                        deleted += await letters.delete(letter)
                        progress.reach(deleted)
        if as_json:
            as_line({"deleted": deleted, "missing": selection.missing, "dry_run": dry_run})
        else:
            say(f"{'would delete' if dry_run else 'deleted'} {count_of(deleted)}")
            print_missing(selection.missing)
        return EXIT_FAILURE if selection.missing else 0

    raise typer.Exit(loop.run(work()))
