"""`forwarder push --once`: reads the file twice, to compare it with what was pushed, and to push what is missing."""

import os
from pathlib import Path

import typer

from forwarder.cli.connection import queue_of
from forwarder.cli.missing import MissingPusher
from forwarder.cli.ndjson import Sieve, events_were_pushed
from forwarder.cli.output import problem
from forwarder.cli.progress import bar
from forwarder.cli.reading import Batches
from forwarder.config import Settings
from forwarder.errors import ForwarderError, QueueError, UnreachableError
from forwarder.event.flaws import SPLIT_TO_FILE
from forwarder.logs.printable import followed
from forwarder.retry import patiently


def refuse_stream(file: Path) -> None:
    """Raises typer.BadParameter if a file cannot be read twice. Call it before opening the file: a pipe may block."""
    if str(file) == "-" or (file.exists() and not file.is_file()):
        raise typer.BadParameter(
            f"--once needs a file that can be read twice, and {file} is not one: save the events to a file first"
        )


class Once:
    """One run.

    Attributes:
        events: how many were pushed by this run.
        before: how many had been pushed before.
        wrong: how many lines are not events.
    """

    def __init__(self, settings: Settings, file: Path, descriptor: int, size: int | None) -> None:
        self._settings = settings
        # The path identifies the file. Its content cannot: an edited first line would make it another file, which would
        # be pushed from its beginning.
        self._path = os.path.realpath(file)
        self._descriptor = descriptor
        self._size = size
        self._most = int(settings.max_event_bytes)
        self.events = self.before = self.wrong = 0

    async def run(self) -> Batches:
        """Pushes what is missing. Returns how the reading ended.

        Raises:
            ConfigurationError: the file is not the one that was pushed, or a right is missing.
            ForwarderError: Redis refused, or did not answer.
        """
        try:
            return await self._run()
        except QueueError as error:
            setting = "FORWARDER_QUEUE" if "WRONGTYPE" in str(error) else "FORWARDER_REDIS_URL"
            where = f" ({setting})" if isinstance(error, UnreachableError) else ""
            again = "Then run the same command again: it pushes only what is missing"
            raise ForwarderError(followed(f"{error}{where}", again)) from error

    async def _run(self) -> Batches:
        async with queue_of(self._settings) as queue:
            marks = queue.marks_of(self._path, self._settings.consume_from)
            known = await patiently(marks.read)
            if any(known):
                batches = await self._compare(MissingPusher(queue, marks, known, Sieve(self._most, silent=True)))
                if batches.stopped is not None:
                    return batches
                os.lseek(self._descriptor, 0, os.SEEK_SET)
            return await self._push(MissingPusher(queue, marks, known, Sieve(self._most, split=SPLIT_TO_FILE)))

    async def _compare(self, pusher: MissingPusher) -> Batches:
        with bar("comparing", self._size, of_bytes=True) as progress, Batches(self._descriptor, self._most) as batches:
            async for lines in batches:
                if pusher.compare(lines):
                    break
                progress.reach(batches.consumed)
            else:
                if batches.stopped is None:
                    pusher.end_comparison()
        return batches

    async def _push(self, pusher: MissingPusher) -> Batches:
        with bar("pushing", self._size, of_bytes=True) as progress, Batches(self._descriptor, self._most) as batches:
            async for lines in batches:
                await pusher.push(lines)
                self.events, self.before, self.wrong = pusher.events, pusher.before, pusher.wrong
                progress.reach(batches.consumed)
        return batches


def print_stopped(batches: Batches, events: int) -> None:
    """Says that a run ended before the file did."""
    problem(f"{batches.stopped}; {events_were_pushed(events)}. Run the same command again to push the rest")
