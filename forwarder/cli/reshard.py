"""`forwarder reshard`."""

from typing import Annotated

import typer

from forwarder import config
from forwarder.cli import output as show
from forwarder.cli.options import EXIT_FAILURE, DryRun, run_to_end
from forwarder.config import Settings
from forwarder.operations.reshard import carry_out, make_plan, refuse
from forwarder.queue import Queue, connect
from forwarder.queue.sharding import MOST_SHARDS
from forwarder.retry import patiently

Shards = Annotated[int, typer.Argument(metavar="N", min=1, max=MOST_SHARDS, help="How many lists there are to be.")]
Move = Annotated[bool, typer.Option("--move", help="Move what waits and what is claimed; all workers are stopped.")]


def reshard(shards: Shards, *, move: Move = False, dry_run: DryRun = False) -> None:
    """Change how many lists the queue has (FORWARDER_SHARDS). Stop all workers and producers first."""
    settings = config.load()
    try:
        code = run_to_end(_reshard(settings, shards, move=move, dry_run=dry_run))
    except KeyboardInterrupt:
        show.problem("interrupted. If it had begun, nothing is lost: run the same command again to finish it")
        raise
    raise typer.Exit(code)


async def _reshard(settings: Settings, shards: int, *, move: bool, dry_run: bool) -> int:
    async with connect(settings.redis_url.get_secret_value()) as redis:
        plan = await make_plan(redis, settings.queue, shards, told=settings.shards)
        if plan.done:
            show.not_resharded(plan)
            return 0
        await refuse(redis, plan, move=move)
        show.resharding(plan, dry_run=dry_run)
        if dry_run:
            return 0
        with show.moving(plan) as progress:
            moved = await carry_out(
                redis,
                plan,
                side=settings.consume_from,
                max_event_bytes=int(settings.max_event_bytes),
                progress=progress,
            )
        late = await patiently(Queue(redis, settings.queue, shards).strays)
    show.resharded(plan, moved, late)
    return EXIT_FAILURE if late else 0
