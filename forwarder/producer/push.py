"""One push: which events go in which round trip, and the result for each event. Pure."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from forwarder.errors import (
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)
from forwarder.producer.encoding import Outgoing
from forwarder.producer.target import Fate, PushEnding
from forwarder.queue.sharding import shard_of

#: At most this many events and bytes go in one command, because Redis serves nobody else while it runs.
_MOST_EVENTS = 1_000
_MOST_BYTES = 4 * 1024 * 1024

#: The error for each ending, the most serious first.
_ERRORS: dict[PushEnding, type[PushError]] = {
    PushEnding.LOST: MaybePushedError,
    PushEnding.REDIS_FULL: RedisFullError,
    PushEnding.REFUSED: NotPushedError,
    PushEnding.QUEUE_FULL: QueueFullError,
}
_GRAVITY = [*_ERRORS.values(), NotDurableError]


class Portion(NamedTuple):
    """Events of one list that go in one command. They are pushed in this order, without others in between."""

    shard: int
    events: Sequence[Outgoing]

    @property
    def elements(self) -> list[bytes]:
        return [event.element for event in self.events]


class Push:
    """Round trips that each carry one portion of every list, and the results of all of them.

    If a portion was not pushed in full, the portions after it must not be pushed, or events of a user would change
    places. So a round trip starts only once the one before it has succeeded.
    """

    def __init__(self, events: Sequence[Outgoing], shards: int) -> None:
        lists: dict[int, list[Outgoing]] = {}
        for event in events:
            lists.setdefault(shard_of(event.user, shards), []).append(event)
        self._rounds = zip_longest(*(list(_portions(shard, each)) for shard, each in lists.items()))
        self._all = range(len(events))
        self._pushed: list[int] = []
        self._uncertain: list[int] = []
        self._failures: list[tuple[type[PushError], str]] = []

    def rounds(self) -> Iterator[list[Portion]]:
        """Yields what to send next, until all is sent or something has failed."""
        for portions in self._rounds:
            if self._failures:
                return
            yield [portion for portion in portions if portion is not None]

    def record(self, portions: Sequence[Portion], fates: Sequence[Fate], shortfall: str | None) -> None:
        """Takes the results of a round trip; `shortfall` says why the events may not be durable."""
        for portion, fate in zip(portions, fates, strict=True):
            positions = [event.position for event in portion.events]
            self._pushed += positions[: fate.pushed]
            if fate.ending is PushEnding.LOST:
                self._uncertain += positions
            if fate.ending is not PushEnding.DONE:
                self._failures.append((_ERRORS[fate.ending], fate.why))
        if shortfall is not None:
            self._failures.append((NotDurableError, shortfall))

    def refuse(self, why: str) -> None:
        """Records that nothing can be pushed, and why."""
        self._failures.append((NotPushedError, why))

    def finish(self) -> None:
        """Raises the most serious error of those that happened, if any, with the result for each event."""
        if not self._failures:
            return
        error, why = min(self._failures, key=lambda failure: _GRAVITY.index(failure[0]))
        known = {*self._pushed, *self._uncertain}
        raise error(
            why,
            pushed=sorted(self._pushed),
            uncertain=sorted(self._uncertain),
            not_pushed=[position for position in self._all if position not in known],
        )


def _portions(shard: int, events: Sequence[Outgoing]) -> Iterator[Portion]:
    start = size = 0
    for end, event in enumerate(events):
        size += len(event.element)
        if end > start and (end - start == _MOST_EVENTS or size > _MOST_BYTES):
            yield Portion(shard, events[start:end])
            start, size = end, len(event.element)
    yield Portion(shard, events[start:])
