"""What the commands about dead letters share: the selection of letters, and the confirmation."""

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
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.selection import Filter
from forwarder.outcome import LetterReason

_ID = re.compile(r"((0|[1-9]\d{0,3})/)?(0|[1-9]\d{0,18})-(0|[1-9]\d{0,18})", re.ASCII)

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="IDs of dead letters, as `forwarder dead list` prints them.")
]
Every = Annotated[bool, typer.Option("--all", help="All dead letters, or all that match the filters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]

_FILTER = {
    "reason": Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Only this reason: invalid, rejected, too_large, exhausted, erased."),
    ],
    "status": Annotated[str | None, typer.Option(metavar="STATUS", help="Only this status of the API's answer.")],
    "user": Annotated[str | None, typer.Option(metavar="USER", help="Only events of this user.")],
    "name": Annotated[str | None, typer.Option(metavar="NAME", help="Only events with this name.")],
    "older": Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Only letters older than this: 90s, 2h, 7d."),
    ],
    "newer": Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Only letters at most this old: 90s, 2h, 7d."),
    ],
    "limit": Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N letters, oldest first.")],
}


def with_filter(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a :class:`Filter` to a command. The command receives the filter as `which`.

    typer reads options from the signature, so the signature lists them in place of `which`::

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
    """Makes sure that a person chose letters in exactly one way.

    Raises:
        typer.BadParameter: they did not, or no letter can match.
    """
    for letter_id in letter_ids or ():
        must_be_id(letter_id)
    if bool(letter_ids) == (every or which != Filter()):
        raise typer.BadParameter("Choose which dead letters: IDs, a filter such as --reason rejected, or --all")
    must_be_possible(which)


def must_be_possible(which: Filter) -> None:
    """Makes sure that a letter can match the filter.

    Raises:
        typer.BadParameter: none can.
    """
    if which.reason is not None and which.reason not in set(LetterReason):
        raise typer.BadParameter(f"--reason: {which.reason!r} is not one of {', '.join(LetterReason)}")
    if which.older is not None and which.newer is not None and which.older >= which.newer:
        raise typer.BadParameter("--older must be shorter than --newer: as given, no letter can match both")


def must_be_id(letter_id: str) -> None:
    """Makes sure that an ID is complete: Redis would take half an ID, and find another letter by it.

    Raises:
        typer.BadParameter: it does not look like an ID.
    """
    if not _ID.fullmatch(letter_id):
        raise typer.BadParameter(
            f"{letter_id!r} is not the ID of a dead letter; examples: 1726077863000-0, or with shards 3/1726077863000-0"
        )


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees, or has agreed with --yes.

    Raises:
        typer.BadParameter: there is no terminal to ask at.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask at: add --yes or --dry-run")
    return typer.confirm(question, err=True)
