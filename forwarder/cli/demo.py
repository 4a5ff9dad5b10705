"""`forwarder demo`."""

import asyncio
from typing import Annotated

import typer

from forwarder.demo.demo import ALL_EVENTS, run


def demo(
    *,
    events: Annotated[int, typer.Option(min=1, help="How many of the 69,659 purchases to send.")] = ALL_EVENTS,
    faults: Annotated[bool, typer.Option("--faults", help="With an API that fails, and bad events.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Forward a shop's purchases, and check every event.

    Starts a private Redis, the stand-in API and a worker, and removes them at the end.
    """
    raise typer.Exit(asyncio.run(run(events=events, faults=faults, keep=keep)))
