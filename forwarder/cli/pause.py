"""`forwarder pause`."""

from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.options import Json, duration
from forwarder.cli.output import as_line, say
from forwarder.logs.printable import visible
from forwarder.operations.pause import pause as pause_all
from forwarder.queue.halts import HaltRecord
from forwarder.runtime import loop


def pause(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for", parser=duration, metavar="TIME", help="Continue by itself after this time: 30m, 2h. Else: never."
        ),
    ] = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Shown to everybody who looks at the state.")] = "",
    as_json: Json = False,
) -> None:
    """Pause all workers until you resume, or for a time.

    They finish what is in flight, claim nothing and send nothing. Events can be pushed, and wait in Redis.
    """
    settings = config.load()

    async def work() -> HaltRecord:
        async with queue_of(settings) as queue:
            return await pause_all(queue, seconds=seconds, why=why)

    found = loop.run(work())
    if as_json:
        as_line({"since": found.since, "detail": found.detail})
    else:
        say(visible(f"Paused: {found.detail}. To go on: `forwarder resume`"))
