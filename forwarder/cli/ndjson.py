"""Reads NDJSON, one event per line, and pushes each event once, in order."""

import signal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType
from typing import Self

from forwarder.errors import ForwarderError, InvalidEventError, PushError
from forwarder.producer import Producer

#: Lines pushed in one round trip.
_BATCH = 1_000


@dataclass(slots=True)
class Pushed:
    """How many events were pushed, and what is wrong with the lines that are not events."""

    events: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)


class _InterruptedError(Exception):
    """A signal arrived during a read."""


class Lines:
    """Yields lines until the end of input, a read error, SIGINT or SIGTERM. Lines already read are still pushed.

    A signal ends a read at once, but never a push: nobody would know whether that push is complete.
    Use it as a context manager, in the main thread.

    Attributes:
        given: how many lines were yielded.
        stopped: why reading stopped before the end of input.
        signal: the signal that arrived.
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
            # Set first: a signal between this check and the read would go unnoticed.
            self._reading = True
            if self.signal is None:
                line = next(self._lines, None)
            self._reading = False
        except _InterruptedError:
            self._reading = False
        except (OSError, EOFError, zlib.error) as error:
            self._reading = False
            self.stopped = f"reading stopped: {error}"
        if self.signal is not None:
            self.stopped = "interrupted"
            return None
        return line


async def push_lines(
    lines: Iterable[bytes],
    producer: Producer,
    *,
    wrong: Callable[[int, str], None],
    progress: Callable[[int], None],
) -> Pushed:
    """Pushes each line that is an event. Skips blank lines, and lines that are not events.

    Args:
        lines: NDJSON, with or without line ends.
        producer: receives the events.
        wrong: called with the number of a line that is not an event, from 1, and what is wrong with it.
        progress: called with the number of bytes of each batch, once it is pushed.

    Raises:
        ForwarderError: not all of a batch was pushed. The message says how many events were pushed, which lines may
            have been pushed, and which were not. Nothing is sent again: only a person knows whether duplicates matter.
    """
    pushed = Pushed()
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, _BATCH)):
        events = [(number, element) for number, line in batch if (element := line.strip())]
        pushed.events += len(await _push_batch(events, producer, pushed, wrong))
        progress(sum(len(line) for _, line in batch))
    return pushed


async def _push_batch(
    events: list[tuple[int, bytes]], producer: Producer, pushed: Pushed, wrong: Callable[[int, str], None]
) -> list[tuple[int, bytes]]:
    """Pushes a batch and returns what was pushed: all but the wrong lines."""
    while True:
        try:
            await producer.push_many([element for _, element in events])
        except InvalidEventError as error:
            why = dict(error.problems)
            for position, problem in error.problems:
                pushed.wrong.append((events[position][0], problem))
                wrong(events[position][0], problem)
            events = [event for position, event in enumerate(events) if position not in why]
        except PushError as error:
            raise ForwarderError(_how_far(error, pushed.events, [number for number, _ in events])) from error
        else:
            return events


def _how_far(error: PushError, before: int, numbers: Sequence[int]) -> str:
    parts = [f"{before + len(error.pushed)} events were pushed"]
    if error.uncertain:
        parts.append(f"{_of_lines(error.uncertain, numbers)} may or may not have been")
    if error.not_pushed:
        parts.append(f"{_of_lines(error.not_pushed, numbers)} were not")
    return f"{'; '.join(parts)}: {error.why}"


def _of_lines(positions: Sequence[int], numbers: Sequence[int]) -> str:
    first, last = positions[0], positions[-1]
    those = "those" if len(positions) == last - first + 1 else f"{len(positions)} of those"  # several shards
    return f"{those} of lines {numbers[first]} to {numbers[last]}"
