"""Pushes lines of NDJSON, each of them once and in order."""

from collections.abc import Sequence

from forwarder.cli.output import Problems
from forwarder.cli.reading import Line
from forwarder.errors import ForwarderError, InvalidEventError, NotPushedError, PushError
from forwarder.event.element import too_long
from forwarder.event.flaws import EACH, SPLIT
from forwarder.logs.printable import counted, followed
from forwarder.producer import Producer

#: Some programs of Windows begin a file with it; `cat` puts it in front of any line.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EXAMPLE = '{"user_id": "u-1", "name": "purchase"}'
_AND_MORE = "more lines are wrong; from here on they are only counted"


class Sieve:
    """Numbers the lines. Names those that are not events, and skips blank ones.

    Args:
        max_event_bytes: of the longest event.
        silent: names nothing, and only counts.
        split: the command that pushes what is in an array.

    Attributes:
        lines: how many there were.
        wrong: how many of them are not events.
    """

    def __init__(self, max_event_bytes: int, *, silent: bool = False, split: str = SPLIT) -> None:
        self.max_event_bytes = max_event_bytes
        self._problems = None if silent else Problems(_AND_MORE)
        self._split = split
        self._hints: set[str] = set()
        self.lines = 0
        self.wrong = 0

    def elements(self, lines: Sequence[Line]) -> tuple[list[int], list[bytes]]:
        """The next lines that may be events, and before them their numbers, from 1."""
        numbers, elements = [], []
        for number, line in enumerate(lines, self.lines + 1):
            if isinstance(line, int):
                self.skip(number, str(too_long(line, self.max_event_bytes)))
            elif element := line.removeprefix(_BYTE_ORDER_MARK).strip():
                numbers.append(number)
                elements.append(element)
        self.lines += len(lines)
        return numbers, elements

    def skip(self, number: int, why: str, line: bytes = b"") -> None:
        """Counts and names a line that is not an event."""
        self.wrong += 1
        if self._problems is not None:
            self._problems.add(f"line {number}: {why}{self._hint(line)}")

    def _hint(self, line: bytes) -> str:
        """What a line has to be, beside the first line of each kind that is no object."""
        if line.startswith(b"{") and line.endswith(b"}"):
            return ""
        match line[:1]:
            case b"[":
                hint = f"; is the file an array? Split it: {self._split}"
            case b"{":
                hint = f"; does an event take several lines? Make it one: {self._split.replace(EACH, '.')}"
            case _:
                hint = f"; each line is one event, such as {_EXAMPLE}"
        if hint in self._hints:
            return ""
        self._hints.add(hint)
        return hint


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
        self._sieve = Sieve(max_event_bytes)
        self.events = 0

    @property
    def wrong(self) -> int:
        return self._sieve.wrong

    async def push(self, lines: Sequence[Line]) -> None:
        """Pushes the next lines.

        Raises:
            ForwarderError: not all of them were pushed. The message says how many events were pushed, which lines may
                have been pushed, and which were not. Those are not sent again: only a person knows whether duplicates
                matter.
        """
        await self._push(list(zip(*self._sieve.elements(lines), strict=True)))

    async def _push(self, events: list[tuple[int, bytes]]) -> None:
        while events:
            try:
                await self._producer.push_many([element for _, element in events])
            except InvalidEventError as error:
                why = dict(error.problems)
                for position, problem in error.problems:
                    self._sieve.skip(events[position][0], problem, events[position][1])
                events = [event for position, event in enumerate(events) if position not in why]
            except PushError as error:
                raise ForwarderError(_how_far(error, self.events, [number for number, _ in events])) from error
            else:
                self.events += len(events)
                return


def _how_far(error: PushError, before: int, numbers: Sequence[int]) -> str:
    parts = [events_were_pushed(before + len(error.pushed))]
    if error.uncertain:
        parts.append(f"{_of_lines(error.uncertain, numbers)} may or may not have been")
    if error.not_pushed:
        parts.append(f"{_of_lines(error.not_pushed, numbers)} {'was' if len(error.not_pushed) == 1 else 'were'} not")
    return followed(f"{'; '.join(parts)}: {error.why}{_setting(error)}", _next_step(error, numbers))


def _setting(error: PushError) -> str:
    if "WRONGTYPE" in error.why:
        return " (FORWARDER_QUEUE)"
    return " (FORWARDER_REDIS_URL)" if type(error) is NotPushedError else ""


def _next_step(error: PushError, numbers: Sequence[int]) -> str:
    """How to push the rest. Nobody can say that in one command if some of several lists took their events."""
    missing = (*error.uncertain, *error.not_pushed)
    first = numbers[min(missing)]
    doubled = "If duplicates do no harm, c" if error.uncertain else "Then c"
    if any(position > min(missing) for position in error.pushed):
        doubled = "If duplicates do no harm, c"
    return f"{doubled}ontinue from line {first} (tail -n +{first})"


def _of_lines(positions: Sequence[int], numbers: Sequence[int]) -> str:
    first, last = positions[0], positions[-1]
    if first == last:
        return f"line {numbers[first]}"
    some = "" if len(positions) == last - first + 1 else f"{len(positions)} of "  # several shards
    return f"{some}lines {numbers[first]} to {numbers[last]}"


def events_were_pushed(events: int) -> str:
    """The beginning of a sentence about a push that did not end well."""
    return f"{counted(events, 'event')} {'was' if events == 1 else 'were'} pushed"
