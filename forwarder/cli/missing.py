"""Pushes the lines of a file that earlier runs of `forwarder push --once` have not pushed.

For each list, a mark in Redis says how many events of the file were pushed onto it, and holds a hash of them. The push
itself moves the mark, so the two never differ, whenever a run is killed. A run reads the file from its beginning and
skips what the marks say. If the hash differs, the beginning of the file has changed, and nothing is pushed: the marks
would no longer tell which lines are in the lists.

Only events count: wrong and blank lines are in no list. So a wrong line may be corrected after the last line that was
pushed (a line that was half written, for example). Anywhere before, the correction is a changed beginning.
"""

from collections.abc import Iterable, Sequence

from forwarder.cli.ndjson import Sieve
from forwarder.cli.reading import Line
from forwarder.errors import ConfigurationError, ForwarderError
from forwarder.event import decode_page
from forwarder.logs.printable import counted
from forwarder.queue.file_marks import FileMarks, Reach, Step
from forwarder.queue.markers import count_of
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import shard_of
from forwarder.retry import patiently

#: An element and the number of its line.
_Numbered = tuple[int, bytes]


class _Course:
    """How far the file was read, of the events of one list, and the mark of that list."""

    def __init__(self, mark: int) -> None:
        self.reach = Reach()
        self.mark = mark

    @property
    def ahead(self) -> int:
        """How many more events the mark stands for than were read."""
        return max(0, count_of(self.mark) - self.reach.count)

    def missing(self, events: Sequence[_Numbered]) -> Sequence[_Numbered]:
        """Those of the next events that the mark does not stand for.

        Raises:
            ConfigurationError: the mark stands for other events than those that were read.
        """
        skipped, rest = events[: self.ahead], events[self.ahead :]
        if skipped:
            self.reach = self.reach.further(element for _, element in skipped)
            if not self.ahead and self.reach.mark != self.mark:
                raise _changed(f"the file differs from what was pushed, in or before line {skipped[-1][0]:,}")
        return rest

    def step(self, events: Sequence[_Numbered]) -> Step:
        """What pushes these events, the next ones."""
        elements = [element for _, element in events]
        return Step(self.reach.mark, self.reach.further(elements).mark, elements)

    def arrive(self, step: Step, mark: int) -> bool:
        """Takes the mark after a push. False if another run has moved it, so that less is missing.

        Raises:
            ForwarderError: the mark is none that this file leads to.
        """
        self.mark = mark
        if mark == step.after:
            self.reach = self.reach.further(step.elements)
            return True
        if not self.ahead:
            raise ForwarderError(
                "Redis went back to an older state, or somebody pushes another version of this file. Nothing was "
                "pushed twice. Run the same command again"
            )
        return False


def _changed(what: str) -> ConfigurationError:
    problem = (
        f"{what}, so it is not known what is missing. Nothing was pushed now. Undo the change and append corrected "
        "lines at the end, or put what is missing into a file with another name"
    )
    return ConfigurationError([problem])


class MissingPusher:
    """Pushes each event of a file that was not pushed before. Names and skips lines that are not events.

    Use it once to compare the file with the marks, and a new one to push.

    Attributes:
        events: how many were pushed by this run.
        before: how many had been pushed before, or were by another run.
        wrong: how many lines are not events.
    """

    def __init__(self, queue: Queue, marks: FileMarks, known: Iterable[int], sieve: Sieve) -> None:
        self._queue = queue
        self._marks = marks
        self._courses = [_Course(mark) for mark in known]
        self._sieve = sieve
        self.events = 0

    @property
    def before(self) -> int:
        return sum(course.reach.count for course in self._courses) - self.events

    @property
    def wrong(self) -> int:
        return self._sieve.wrong

    def compare(self, lines: Sequence[Line]) -> bool:
        """Reads the next lines, and returns whether all that the marks stand for were read.

        Raises:
            ConfigurationError: the file has changed.
        """
        self._missing(lines)
        return not any(course.ahead for course in self._courses)

    def end_comparison(self) -> None:
        """Raises ConfigurationError if the file has ended, but the marks stand for more events."""
        if ahead := sum(course.ahead for course in self._courses):
            fewer = f"{counted(ahead, 'event')} fewer than were pushed"
            raise _changed(f"the file has {counted(self._sieve.lines, 'line')}, and {fewer}")

    async def push(self, lines: Sequence[Line]) -> None:
        """Pushes what is missing of the next lines.

        Raises:
            ForwarderError: not all of it was pushed. The same command may be run again.
        """
        missing = self._missing(lines)
        if missing:
            await patiently(self._queue.agree)
        while missing:
            missing = await self._pushed(missing)

    def _missing(self, lines: Sequence[Line]) -> dict[int, Sequence[_Numbered]]:
        by_list: dict[int, list[_Numbered]] = {}
        numbers, elements = self._sieve.elements(lines)
        valid, invalid = decode_page(elements, numbers, [0] * len(elements), self._sieve.max_event_bytes)
        of_line = dict(zip(numbers, elements, strict=True))
        for each in invalid:
            self._sieve.skip(each.number, each.why, of_line[each.number])
        for event in valid:
            shard = shard_of(event.user, len(self._courses))
            by_list.setdefault(shard, []).append((event.number, of_line[event.number]))
        return self._cut(by_list)

    def _cut(self, by_list: dict[int, list[_Numbered]]) -> dict[int, Sequence[_Numbered]]:
        cut = {shard: self._courses[shard].missing(events) for shard, events in by_list.items()}
        return {shard: events for shard, events in cut.items() if events}

    async def _pushed(self, missing: dict[int, Sequence[_Numbered]]) -> dict[int, Sequence[_Numbered]]:
        """Pushes once, and returns what is still missing because another run was faster."""
        steps = {shard: self._courses[shard].step(events) for shard, events in missing.items()}
        marks = await patiently(lambda: self._marks.push(steps))
        again = {}
        for shard, step in steps.items():
            if self._courses[shard].arrive(step, marks[shard]):
                self.events += len(step.elements)
            else:
                again[shard] = list(missing[shard])
        return self._cut(again)
