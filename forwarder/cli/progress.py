"""The progress bar of commands that may take long."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from forwarder.cli.output import err


class Bar:
    """A progress bar. It is drawn only on a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        """Counts this many more as done."""
        self._progress.advance(self._task, count)

    def reach(self, count: int) -> None:
        """Sets how many are done."""
        self._progress.update(self._task, completed=count)

    def describe(self, text: str) -> None:
        """Changes the text in front of the bar."""
        self._progress.update(self._task, description=text)


@contextmanager
def bar(what: str, total: int | None, *, of_bytes: bool = False, hidden: bool = False) -> Iterator[Bar]:
    """Draws a bar on standard error during the ``with`` block, if that is a terminal.

    Args:
        what: the text in front of the bar.
        total: how many there are; None if unknown.
        of_bytes: counts bytes.
        hidden: draws nothing.
    """
    counts = (DownloadColumn(), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal) as progress:
        yield Bar(progress, progress.add_task(what, total=total))
