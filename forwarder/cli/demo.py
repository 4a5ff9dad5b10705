"""`forwarder demo`."""

import asyncio
from typing import Annotated

import typer

from forwarder.demo.demo import ALL_EVENTS, run


def demo(
    *,
    events: Annotated[int, typer.Option(min=1, metavar="N", help="Send only the first N purchases.")] = ALL_EVENTS,
    faults: Annotated[bool, typer.Option("--faults", help="Let the API fail, and send some bad events.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Forward a shop's purchases, and check every event.

    Starts a private Redis, the stand-in API and a worker, and stops them at the end.
    """
    raise typer.Exit(asyncio.run(run(events=events, faults=faults, keep=keep)))
