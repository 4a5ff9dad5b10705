"""What the commands about dead letters share: which letters are meant, and whether a person agrees."""

import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from forwarder.cli.options import duration
from forwarder.cli.running import lists_of
from forwarder.config import Settings
from forwarder.dead_letters.letters import Filter, Letters
from forwarder.outcome import LetterReason

_ID = re.compile(r"((0|[1-9]\d{0,3})/)?(0|[1-9]\d{0,18})-(0|[1-9]\d{0,18})", re.ASCII)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...")]
Every = Annotated[bool, typer.Option("--all", help="All letters, or all that match the filters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Reason = Annotated[str | None, typer.Option(help="Only this reason: invalid, rejected, too_large, exhausted.")]
Status = Annotated[str | None, typer.Option(help="Only this status of the API's answer.")]
User = Annotated[str | None, typer.Option(help="Only events of this user.")]
Name = Annotated[str | None, typer.Option(help="Only events of this name.")]
Older = Annotated[
    float | None, typer.Option(parser=duration, metavar="TIME", help="Dead letters for longer than that: 90s, 2h, 7d.")
]
Newer = Annotated[
    float | None, typer.Option(parser=duration, metavar="TIME", help="Dead letters for at most that long: 90s, 2h, 7d.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many, oldest first.")]


@asynccontextmanager
async def letters_of(settings: Settings) -> AsyncIterator[Letters]:
    """The dead letters of the settings' queue."""
    async with lists_of(settings) as queue:
        yield Letters(queue, side=settings.consume_from)


def checked(letter_ids: Sequence[str] | None, which: Filter, *, every: bool) -> Filter:
    """The filter, if it is clear which letters are meant."""
    for letter_id in letter_ids or ():
        checked_id(letter_id)
    if bool(letter_ids) == (every or which != Filter()):
        raise typer.BadParameter("give ids, or a filter, or --all; not both, not neither")
    return possible(which)


def possible(which: Filter) -> Filter:
    """The filter, if a letter can match it."""
    if which.reason is not None and which.reason not in set(LetterReason):
        raise typer.BadParameter(f"{which.reason!r} is no reason: it is one of {', '.join(LetterReason)}")
    if which.older is not None and which.newer is not None and which.older >= which.newer:
        raise typer.BadParameter("no letter is that new and that old: --older must be less than --newer")
    return which


def checked_id(letter_id: str) -> str:
    """The id, if it has the form of one: Redis also takes half of one, and finds another letter by it."""
    if not _ID.fullmatch(letter_id):
        raise typer.BadParameter(
            f"{letter_id!r} is no id of a dead letter: those look like 1726077863000-0, with shards 3/1726077863000-0"
        )
    return letter_id


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees, or has with --yes; where there is nobody to ask, it is a usage error."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody can be asked here: say --yes, or --dry-run")
    return typer.confirm(question, err=True)
