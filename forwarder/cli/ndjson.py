"""Pushes lines of NDJSON, each of them once and in order."""

from collections.abc import Sequence

from forwarder.cli.output import Problems
from forwarder.cli.reading import Line
from forwarder.errors import ForwarderError, InvalidEventError, PushError
from forwarder.event.element import too_long
from forwarder.producer import Producer

#: Some programs of Windows begin a file with it; `cat` puts it in front of any line.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Pusher:
    """Pushes each line that is an event. Names and skips lines that are not events, and skips blank ones.

    Args:
        producer: receives the events.
        max_event_bytes: as the producer has it.

    Attributes:
        events: how many were pushed.
        wrong: how many lines are not events.
    """

    def __init__(self, producer: Producer, max_event_bytes: int) -> None:
        self._producer = producer
        self._max_event_bytes = max_event_bytes
        self._problems = Problems(and_more="more lines are wrong; from here on they are only counted")
        self._before = 0
        self.events = 0
        self.wrong = 0

    async def push(self, lines: Sequence[Line]) -> None:
        """Pushes the next lines.

        Raises:
            ForwarderError: not all of them were pushed. The message says how many events were pushed, which lines may
                have been pushed, and which were not. Nothing is sent again: only a person knows whether duplicates
                matter.
        """
        events = []
        for number, line in enumerate(lines, self._before + 1):
            if isinstance(line, int):
                self._skip(number, str(too_long(line, self._max_event_bytes)))
            elif element := line.removeprefix(_BYTE_ORDER_MARK).strip():
                events.append((number, element))
        self._before += len(lines)
        await self._push(events)

    async def _push(self, events: list[tuple[int, bytes]]) -> None:
        while events:
            try:
                await self._producer.push_many([element for _, element in events])
            except InvalidEventError as error:
                why = dict(error.problems)
                for position, problem in error.problems:
                    self._skip(events[position][0], problem)
                events = [event for position, event in enumerate(events) if position not in why]
            except PushError as error:
                raise ForwarderError(_how_far(error, self.events, [number for number, _ in events])) from error
            else:
                self.events += len(events)
                return

    def _skip(self, number: int, why: str) -> None:
        self.wrong += 1
        self._problems.add(f"line {number}: {why}")


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
