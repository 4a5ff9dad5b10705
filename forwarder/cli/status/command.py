"""`forwarder status`: prints the status once, or again and again."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.layout import Paper
from forwarder.cli.options import EXIT_HALTED, Json
from forwarder.cli.output import as_line, out
from forwarder.cli.status.document import document, without_redis
from forwarder.cli.status.drawing import drawn, drawn_old
from forwarder.cli.status.screen import Screen
from forwarder.cli.status.watch import Watch, until_ended
from forwarder.config import Settings
from forwarder.errors import UnreachableError
from forwarder.operations.facts import setup_of
from forwarder.operations.status import Status, survey
from forwarder.retry import patiently
from forwarder.runtime import loop

#: Seconds between two looks: often enough to see what changes, and a worker says no more in that time.
_EVERY = 2.0


def status(
    *,
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[
        float | None, typer.Option(min=0.1, max=3600, help="Seconds between two looks of --watch. Default: 2.")
    ] = None,
) -> None:
    """Show what is wrong, the backlog, and who works on it.

    The exit code is 77 while the service is halted or paused. With --watch, a terminal shows it in place; a pipe gets
    one block after the other, or one line each with --json.
    """
    if every is not None and not watch:
        raise typer.BadParameter("--every needs --watch")
    settings = config.load()
    found = loop.run(_watch(settings, every or _EVERY, as_json=as_json) if watch else _once(settings, as_json=as_json))
    raise typer.Exit(EXIT_HALTED if found.halt else 0)


async def _once(settings: Settings, *, as_json: bool) -> Status:
    try:
        async with queue_of(settings) as queue:
            found = await survey(queue, setup_of(settings))
    except UnreachableError as error:
        if as_json:
            as_line(without_redis(settings.queue, str(error)))
        raise
    if as_json:
        as_line(document(found))
    else:
        _print(drawn(found, _paper()))
    return found


async def _watch(settings: Settings, every: float, *, as_json: bool) -> Status:
    """Shows the status until a signal comes. Returns the last one."""
    async with queue_of(settings) as queue:

        async def read() -> Status:
            await patiently(queue.agree)  # or somebody has changed the number of lists
            return await survey(queue, setup_of(settings))

        watch = Watch(await read(), read, every)
        if as_json:
            await until_ended(watch.follow(lambda: _write_line(watch)))
        elif not (out.is_interactive and sys.stdout.isatty()):
            await until_ended(watch.follow(lambda: _write_block(watch)))
        else:
            hint = Text(f"every {every:g} s; Ctrl-C ends it", "dim")
            with Screen(out, lambda: [*_lines(watch), Text(), hint]) as screen:
                await until_ended(watch.follow(screen.redraw), screen.keep())
            _print(_lines(watch))
        return watch.found


def _write_line(watch: Watch) -> None:
    as_line(document(watch.found) if not watch.problem else without_redis(watch.found.queue, watch.problem))
    sys.stdout.flush()


def _write_block(watch: Watch) -> None:
    _print([Text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", "dim"), *_lines(watch), Text()])
    sys.stdout.flush()


def _lines(watch: Watch) -> Iterable[Text]:
    if watch.is_old:
        return drawn_old(watch.found, _paper(), watch.age, watch.problem)
    return drawn(watch.found, _paper())


def _print(lines: Iterable[Text]) -> None:
    for line in lines:
        out.print(line, soft_wrap=True)


def _paper() -> Paper:
    """A pipe has lines of any length, so that `grep` finds what belongs together, and no charts."""
    return Paper(out.width if out.is_terminal else None, unicode="utf" in out.encoding)
