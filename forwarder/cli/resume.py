"""`forwarder resume`."""

from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.output import say
from forwarder.logs.printable import visible
from forwarder.operations.resume import end_halt
from forwarder.queue.halts import HaltRecord
from forwarder.runtime import loop


def resume(
    *,
    allow_refusals: Annotated[
        int, typer.Option(min=0, metavar="N", help="Let N refusals through before the dead-letter brake counts again.")
    ] = 0,
) -> None:
    """End a halt.

    Workers continue within seconds.
    """
    settings = config.load()

    async def work() -> HaltRecord | None:
        async with queue_of(settings) as queue:
            return await end_halt(queue, allow_refusals=allow_refusals)

    halt = loop.run(work())
    if halt is None:
        say("The service was not halted.")
    else:
        since = halt.since or "an unknown time"
        say(visible(f"Resumed. It had been halted since {since} ({halt.reason}): {halt.detail}"))
