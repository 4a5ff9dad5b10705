"""`forwarder push`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from forwarder import config
from forwarder.cli.ndjson import Pusher, events_were_pushed
from forwarder.cli.once import Once, print_stopped, refuse_stream
from forwarder.cli.options import EXIT_FAILURE
from forwarder.cli.output import problem, say
from forwarder.cli.progress import bar
from forwarder.cli.reading import Batches
from forwarder.errors import ConfigurationError, OutputError
from forwarder.logs.printable import counted
from forwarder.producer import Producer
from forwarder.runtime import loop


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON, plain or gzipped; - is standard input.")] = Path(
        "-"
    ),
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Push only what earlier runs of --once have not pushed of FILE.")
    ] = False,
) -> None:
    """Push events, one JSON object per line.

    Lines that are not events are named and skipped; the exit code is then 1.

    --once also completes a push that was killed, and a file that has grown. Redis remembers for 7 days how much of
    FILE was pushed.
    """
    settings = config.load()
    if once:
        refuse_stream(file)
    with _opened(file) as (descriptor, size):
        if once:
            raise typer.Exit(loop.run(_push_once(Once(settings, file, descriptor, size), settings.queue)))
        raise typer.Exit(loop.run(_push(settings, descriptor, size)))


async def _push(settings: config.Settings, descriptor: int, size: int | None) -> int:
    most = int(settings.max_event_bytes)
    with bar("pushing", size, of_bytes=True) as progress, Batches(descriptor, most) as batches:
        async with _producer(settings) as producer:
            pusher = Pusher(producer, most)
            async for lines in batches:
                await pusher.push(lines)
                progress.reach(batches.consumed)
    _print_pushed(f"pushed {counted(pusher.events, 'event')} onto {settings.queue}", pusher.wrong)
    if batches.stopped is not None:
        _print_stopped(batches, pusher)
    return _exit_code(batches, pusher.wrong)


async def _push_once(once: Once, queue: str) -> int:
    batches = await once.run()
    before = f"; {once.before:,} had been pushed before" if once.before else ""
    _print_pushed(f"pushed {counted(once.events, 'event')} onto {queue}{before}", once.wrong)
    if batches.stopped is not None:
        print_stopped(batches, once.events)
    return _exit_code(batches, once.wrong)


def _exit_code(batches: Batches, wrong: int) -> int:
    if batches.stopped is not None:
        return 128 + batches.signal if batches.signal else EXIT_FAILURE  # the code that a shell reports for a signal
    return EXIT_FAILURE if wrong else 0


def _producer(settings: config.Settings) -> Producer:
    return Producer(
        settings.redis_url.get_secret_value(),
        queue=settings.queue,
        shards=settings.shards,
        consume_from=settings.consume_from,
        max_event_bytes=int(settings.max_event_bytes),
    )


@contextmanager
def _opened(file: Path) -> Iterator[tuple[int, int | None]]:
    """The descriptor of a file, or of standard input (-), and the file's length in bytes if that is known.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if str(file) == "-":
        if sys.stdin is None:  # the process was started without one
            raise ConfigurationError(["cannot read -: standard input is closed"])
        yield sys.stdin.fileno(), None
        return
    try:
        stream = file.open("rb", buffering=0)
    except OSError as error:
        raise ConfigurationError([f"cannot read {file}: {error.strerror or error}"]) from error
    with stream:
        yield stream.fileno(), os.fstat(stream.fileno()).st_size or None


def _print_pushed(text: str, wrong: int) -> None:
    if wrong:
        text += f", skipped {counted(wrong, 'wrong line')}"
    try:
        say(text)
    except OutputError as error:
        # The exit code stays that of the push: a script that repeats it because of a full disk would double events.
        problem(f"{text}; {error}")


def _print_stopped(batches: Batches, pushed: Pusher) -> None:
    following = batches.given + 1
    match batches.given:
        case 0:
            handled = "No line was handled"
        case 1:
            handled = "Line 1 was handled"
        case given:
            handled = f"Lines 1 to {given} were handled"
    events = events_were_pushed(pushed.events)
    problem(f"{batches.stopped}; {events}. {handled}; continue from line {following} (tail -n +{following})")
