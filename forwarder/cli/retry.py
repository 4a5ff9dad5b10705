"""`forwarder retry`."""

import typer

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_FAILURE, EXIT_HALTED, Json
from forwarder.cli.output import as_line, say
from forwarder.logs.printable import visible
from forwarder.operations.retry import Requested, request_retry
from forwarder.runtime import loop


def retry(*, as_json: Json = False) -> None:
    """Try now: end the pause of an outage and every backoff.

    If the API is still down, each worker sends one POST, and the pauses go on.
    The exit code is 77 while the service is halted, and 1 if no worker tries.
    """
    settings = config.load()

    async def work() -> Requested:
        async with queue_of(settings) as queue:
            return await request_retry(queue)

    found = loop.run(work())
    if as_json:
        halt = found.halt and found.halt.reason
        as_line({"workers": found.workers, "standing_by": found.standbys, "halted": found.halted, "halt": halt})
    else:
        say(visible(found.sentence))
    if found.halt is not None:
        raise typer.Exit(EXIT_HALTED)
    raise typer.Exit(0 if found.workers else EXIT_FAILURE)
