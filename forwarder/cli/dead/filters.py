"""What the commands about dead letters share: which letters are meant, and whether a person agrees."""

import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from forwarder.cli.connection import queue_of
from forwarder.cli.options import duration
from forwarder.config import Settings
from forwarder.dead_letters.letters import Filter, Letters
from forwarder.outcome import LetterReason

_ID = re.compile(r"((0|[1-9]\d{0,3})/)?(0|[1-9]\d{0,18})-(0|[1-9]\d{0,18})", re.ASCII)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...")]
Every = Annotated[bool, typer.Option("--all", help="All letters, or all that match the filters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_FILTER = {
    "reason": Annotated[str | None, typer.Option(help="Only this reason: invalid, rejected, too_large, exhausted.")],
    "status": Annotated[str | None, typer.Option(help="Only this status of the API's answer.")],
    "user": Annotated[str | None, typer.Option(help="Only events of this user.")],
    "name": Annotated[str | None, typer.Option(help="Only events of this name.")],
    "older": Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Dead letters for longer than that: 90s, 2h, 7d."),
    ],
    "newer": Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Dead letters for at most that long: 90s, 2h, 7d."),
    ],
    "limit": Annotated[int | None, typer.Option(min=1, help="At most so many, oldest first.")],
}


def with_filter(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of a :class:`Filter`; its parameter `which` receives the filter.

    typer reads options from the signature. So the signature shows them in the place of `which`::

        @with_filter
        def dead_list(*, which: Filter, as_json: Json = False) -> None: ...
    """

    @wraps(command)
    def called(**given: Any) -> None:
        which = Filter(**{name: given.pop(name) for name in _FILTER})
        command(which=which, **given)

    options = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=_FILTER[name]) for name in _FILTER]
    shown: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        shown += options if parameter.name == "which" else [parameter]
    vars(called)["__signature__"] = signature(command).replace(parameters=shown)
    return called


@asynccontextmanager
async def letters_of(settings: Settings) -> AsyncIterator[Letters]:
    """The dead letters of the settings' queue."""
    async with queue_of(settings) as queue:
        yield Letters(queue, side=settings.consume_from)


def must_be_clear(letter_ids: Sequence[str] | None, which: Filter, *, every: bool) -> None:
    """Makes sure that it is clear which letters are meant.

    Raises:
        typer.BadParameter: it is not.
    """
    for letter_id in letter_ids or ():
        must_be_id(letter_id)
    if bool(letter_ids) == (every or which != Filter()):
        raise typer.BadParameter("give ids, or a filter, or --all; not both, not neither")
    must_be_possible(which)


def must_be_possible(which: Filter) -> None:
    """Makes sure that a letter can match the filter.

    Raises:
        typer.BadParameter: none can.
    """
    if which.reason is not None and which.reason not in set(LetterReason):
        raise typer.BadParameter(f"{which.reason!r} is no reason: it is one of {', '.join(LetterReason)}")
    if which.older is not None and which.newer is not None and which.older >= which.newer:
        raise typer.BadParameter("no letter is that new and that old: --older must be less than --newer")


def must_be_id(letter_id: str) -> None:
    """Makes sure that an ID has the form of one: by half an ID, Redis would find another letter.

    Raises:
        typer.BadParameter: it has not.
    """
    if not _ID.fullmatch(letter_id):
        raise typer.BadParameter(
            f"{letter_id!r} is no id of a dead letter: those look like 1726077863000-0, with shards 3/1726077863000-0"
        )


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees, or has with --yes; where there is nobody to ask, it is a usage error."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody can be asked here: say --yes, or --dry-run")
    return typer.confirm(question, err=True)
