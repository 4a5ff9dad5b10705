"""`forwarder push`."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from forwarder import config, loop
from forwarder.cli.ndjson import Lines, Pushed, push_lines
from forwarder.cli.options import EXIT_FAILURE
from forwarder.cli.output import Problems, out, problem
from forwarder.cli.progress import bar
from forwarder.errors import ConfigurationError
from forwarder.producer import Producer


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON, plain or gzipped; - is standard input.")] = Path(
        "-"
    ),
) -> None:
    """Push events, one JSON object per line.

    Lines that are not events are named and skipped; the exit code is then 1.
    """
    settings = config.load()
    wrong = Problems(and_more="more lines are wrong; from here on they are only counted")

    def name_wrong(number: int, why: str) -> None:
        wrong.add(f"line {number}: {why}")

    async def work() -> int:
        with _readable(file) as (stream, size), bar("pushing", size, of_bytes=True) as progress, Lines(stream) as lines:
            async with _producer(settings) as producer:
                pushed = await push_lines(lines, producer, wrong=name_wrong, progress=progress.advance)
        _print_pushed(pushed, settings.queue)
        if lines.stopped is not None:
            _print_stopped(lines)
            return 128 + lines.signal if lines.signal else EXIT_FAILURE  # the code that a shell reports for a signal
        return EXIT_FAILURE if pushed.wrong else 0

    raise typer.Exit(loop.run(work()))


def _producer(settings: config.Settings) -> Producer:
    return Producer(
        settings.redis_url.get_secret_value(),
        queue=settings.queue,
        shards=settings.shards,
        consume_from=settings.consume_from,
        max_event_bytes=int(settings.max_event_bytes),
    )


@contextmanager
def _readable(file: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Opens a file, or standard input (-). The second value is its length in bytes, if that is known.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        with _opened(file) as opened:
            yield opened
    except (OSError, EOFError) as error:
        raise ConfigurationError([f"cannot read {file}: {getattr(error, 'strerror', None) or error}"]) from error


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    if str(file) == "-":
        if sys.stdin is None:  # the process was started without one
            raise OSError("standard input is closed")
        yield sys.stdin.buffer, None
    elif file.suffix == ".gz":
        with gzip.open(file) as stream:
            yield cast("BinaryIO", stream), None
    else:
        with file.open("rb") as stream:
            yield stream, file.stat().st_size


def _print_pushed(result: Pushed, queue: str) -> None:
    text = f"pushed {result.events:,} events onto {queue}"
    if result.wrong:
        text += f", skipped {len(result.wrong):,} wrong lines"
    out.print(text, soft_wrap=True)


def _print_stopped(lines: Lines) -> None:
    following = lines.given + 1
    handled = f"Lines 1 to {lines.given} were handled" if lines.given else "No line was handled"
    problem(f"{lines.stopped}. {handled}; continue from line {following} (tail -n +{following})")
