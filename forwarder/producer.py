"""Pushing NDJSON: one element a line, in order, each pushed once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

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
