"""Pushing NDJSON: one element a line, in order, each pushed once."""

import signal
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType
from typing import Self

from forwarder.errors import InvalidElementError, UnreachableError
from forwarder.event import decode
from forwarder.queue import Pusher

#: Lines pushed in one round trip.
_BATCH = 1_000


@dataclass(slots=True)
class Pushed:
    """What became of the lines."""

    events: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)


class _InterruptedError(Exception):
    """A signal came while a line was awaited."""


class Lines:
    """Lines until they end, SIGINT or SIGTERM comes, or they cannot be read on; what was read is pushed all the same.

    A signal ends a read at once, but not a push that is under way: whether that is done would be unknown.
    Use as a context manager, in the main thread.

    Attributes:
        given: how many lines were handed out.
        stopped: why there are no more, if they had not simply ended.
        signal: the signal that came.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._reading = False
        self.given = 0
        self.stopped: str | None = None
        self.signal: int | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._came) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _came(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        if self._reading:
            raise _InterruptedError

    def __iter__(self) -> Iterator[bytes]:
        while (line := self._next()) is not None:
            self.given += 1
            yield line

    def _next(self) -> bytes | None:
        line = None
        try:
            # Set before the look: a signal in between would be seen by neither.
            self._reading = True
            if self.signal is None:
                line = next(self._lines, None)
            self._reading = False
        except _InterruptedError:
            self._reading = False
        except (OSError, EOFError, zlib.error) as error:
            self._reading = False
            self.stopped = f"cannot be read on: {error}"
        if self.signal is not None:
            self.stopped = "interrupted"
            return None
        return line


async def push(
    lines: Iterable[bytes],
    pusher: Pusher,
    *,
    max_event_bytes: int,
    wrong: Callable[[int, str], None],
    progress: Callable[[int], None],
) -> Pushed:
    """Pushes every line that is an event; blank lines are passed over, wrong ones named and skipped.

    Args:
        lines: NDJSON, with or without line ends.
        pusher: where to.
        max_event_bytes: longest element in bytes.
        wrong: told the number (from 1) of a line that is no event, and why.
        progress: told how many bytes were read, a batch at a time.

    Raises:
        UnreachableError: Redis did not answer; the message says which lines may or may not have been pushed.
            They are not sent again: only a person can say whether they may be doubled.
    """
    pushed = Pushed()
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, _BATCH)):
        elements = list(_valid(batch, max_event_bytes, pushed, wrong))
        if elements:
            try:
                await pusher.push(elements)
            except UnreachableError as error:
                raise UnreachableError(
                    f"{pushed.events} events were pushed; those of lines {batch[0][0]} to {batch[-1][0]} "
                    f"may or may not have been: {error}"
                ) from error
            pushed.events += len(elements)
        progress(sum(len(line) for _, line in batch))
    return pushed


def _valid(
    batch: Iterable[tuple[int, bytes]], max_event_bytes: int, pushed: Pushed, wrong: Callable[[int, str], None]
) -> Iterator[bytes]:
    for number, line in batch:
        element = line.strip()
        if not element:
            continue
        try:
            decode(element, max_bytes=max_event_bytes)
        except InvalidElementError as error:
            pushed.wrong.append((number, str(error)))
            wrong(number, str(error))
        else:
            yield element
