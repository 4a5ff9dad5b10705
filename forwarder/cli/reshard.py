"""`forwarder reshard`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.ndjson import events_were_pushed
from forwarder.cli.options import EXIT_FAILURE, DryRun
from forwarder.cli.output import problem, say
from forwarder.cli.progress import bar
from forwarder.config import Settings
from forwarder.dead_letters.letter import count_of
from forwarder.logs.printable import counted
from forwarder.operations.redistribute import Moved
from forwarder.operations.reshard import Plan, carry_out, make_plan, refuse
from forwarder.queue.content import Content
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import MOST_SHARDS
from forwarder.queue.wire.connection import connect
from forwarder.retry import patiently
from forwarder.runtime import loop

Shards = Annotated[int, typer.Argument(metavar="N", min=1, max=MOST_SHARDS, help="The new number of lists.")]
Move = Annotated[bool, typer.Option("--move", help="Move waiting and claimed events. All workers must be stopped.")]


def reshard(shards: Shards, *, move: Move = False, dry_run: DryRun = False) -> None:
    """Change how many lists the queue has.

    Stop all workers and producers first. Start them with the new number in FORWARDER_SHARDS.
    """
    settings = config.load()
    try:
        code = loop.run(_reshard(settings, shards, move=move, dry_run=dry_run))
    except KeyboardInterrupt:
        problem("interrupted; nothing is lost. To finish, run the same command again")
        raise
    raise typer.Exit(code)


async def _reshard(settings: Settings, shards: int, *, move: bool, dry_run: bool) -> int:
    async with connect(settings.redis_url.get_secret_value(), file=settings.redis_url_file) as redis:
        plan = await make_plan(redis, settings.queue, shards, configured=settings.shards)
        if plan.done:
            say(f"{plan.queue} already has {_lists(plan.after)}; nothing to do")
            return 0
        await refuse(redis, plan, move=move)
        _print_plan(plan, dry_run=dry_run)
        if dry_run:
            return 0
        with bar("moving", plan.waiting + plan.claimed) as progress:
            moved = await carry_out(
                redis,
                plan,
                side=settings.consume_from,
                max_event_bytes=int(settings.max_event_bytes),
                progress=progress.advance,
            )
        late = await patiently(Queue(redis, settings.queue, shards).strays)
    _print_moved(plan, moved, late)
    return EXIT_FAILURE if late else 0


def _lists(number: int) -> str:
    return counted(number, "list")


def _print_plan(plan: Plan, *, dry_run: bool) -> None:
    held = f"{counted(plan.waiting, 'event')} waiting, {plan.claimed:,} claimed, {count_of(plan.letters)}"
    way = f"from {plan.before:,} to {_lists(plan.after)}"
    if dry_run:
        doing = "would resume the resharding of" if plan.mark else "would reshard"
    else:
        doing = "resuming the resharding of" if plan.mark else "resharding"
    say(f"{doing} {plan.queue} {way}: {held}")
    if plan.strays:
        names = ", ".join(keys.list for keys in plan.strays)
        say(f"with lists that no worker drains, left from another number of lists: {names}")


def _print_moved(plan: Plan, moved: Moved, late: Mapping[str, Content]) -> None:
    what = f"{counted(moved.events, 'event')} and {count_of(moved.letters)}"
    say(
        f"moved {what}. {plan.queue} now has {_lists(plan.after)}. "
        f"Start workers and producers with FORWARDER_SHARDS={plan.after}"
    )
    for name, content in late.items():
        problem(
            f"{events_were_pushed(content.waiting)} to {name} during the move, and no worker drains that list. "
            f"Stop the producers that still push to it, and run `forwarder reshard {plan.after} --move` again"
        )
