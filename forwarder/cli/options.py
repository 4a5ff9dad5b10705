"""What the commands share: options, and how a command runs."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer

from forwarder.config import Settings
from forwarder.queue import Queue, connect
from forwarder.retry import patiently

T = TypeVar("T")

EXIT_FAILURE, EXIT_USAGE, EXIT_HALTED, EXIT_CONFIGURATION = 1, 64, 77, 78

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration(text: str) -> float:
    """Seconds of a text such as 90s, 30m, 1h30m, 7d."""
    if not re.fullmatch(r"(\d{1,9}(\.\d{1,9})?[smhdw])+", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is no time: give it as 90s, 30m, 2h, 1h30m or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhdw])", text))


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@asynccontextmanager
async def lists_of(settings: Settings, *, agree: bool = True) -> AsyncIterator[Queue]:
    """The operator's side of the settings' queue.

    Raises:
        ShardsDisagreeError: on entering, with `agree`; the queue has another number of lists than the settings.
    """
    async with connect(settings.redis_url.get_secret_value()) as redis:
        lists = Queue(redis, settings.queue, settings.shards)
        if agree:
            await patiently(lists.agree)
        yield lists


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work in an event loop of its own."""
    return asyncio.run(work)
