"""`forwarder resume`."""

from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_HALTED
from forwarder.cli.output import say
from forwarder.logs.printable import visible
from forwarder.operations import resume as resuming
from forwarder.operations.resume import Resumed
from forwarder.outcome import PAUSED
from forwarder.runtime import loop


def resume(
    *,
    allow_refusals: Annotated[
        int, typer.Option(min=0, metavar="N", help="Let N refusals through before the dead-letter brake counts again.")
    ] = 0,
) -> None:
    """End a pause or a halt.

    Workers continue within seconds. If both are in force, the first call ends the pause, and a second one the halt.
    """
    settings = config.load()

    async def work() -> Resumed:
        async with queue_of(settings) as queue:
            return await resuming.resume(queue, allow_refusals=allow_refusals)

    done = loop.run(work())
    say(visible(_sentence(done)))
    raise typer.Exit(EXIT_HALTED if done.remains else 0)


def _sentence(done: Resumed) -> str:
    ended, remains = done.ended, done.remains
    if ended is None:
        return "The service was neither halted nor paused."
    since = ended.since or "an unknown time"
    if ended.reason != PAUSED:
        return f"Resumed. It had been halted since {since} ({ended.reason}): {ended.detail}"
    if remains is None:
        return f"Resumed. It had been paused since {since}: {ended.detail}"
    return f"The pause is over, but the service is still halted ({remains.reason}): {remains.detail}"
