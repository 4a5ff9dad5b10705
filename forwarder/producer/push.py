"""One push: its round trips, and the result for each event. Pure."""

from collections.abc import Iterator, Sequence

from forwarder.errors import (
    KeyReusedError,
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)
from forwarder.producer.encoding import Outgoing
from forwarder.producer.fates import Fate, PushEnding
from forwarder.producer.portions import Portion, round_trips

#: The error for each ending, the most serious first.
_ERRORS: dict[PushEnding, type[PushError]] = {
    PushEnding.LOST: MaybePushedError,
    PushEnding.KEY_REUSED: KeyReusedError,
    PushEnding.REDIS_FULL: RedisFullError,
    PushEnding.UNAVAILABLE: NotPushedError,
    PushEnding.DENIED: NotPushedError,
    PushEnding.UNKNOWN_SCRIPT: NotPushedError,
    PushEnding.REFUSED: NotPushedError,
    PushEnding.QUEUE_FULL: QueueFullError,
}
_GRAVITY = [*_ERRORS.values(), NotDurableError]


class Push:
    """Round trips that each carry one portion of every list, and the results of all of them.

    If a portion was not pushed in full, the portions after it must not be pushed, or events of a user would change
    places. So a round trip starts only once the one before it has succeeded.
    """

    def __init__(self, events: Sequence[Outgoing], shards: int) -> None:
        self._rounds = round_trips(events, shards)
        self._all = range(len(events))
        self._pushed: list[int] = []
        self._uncertain: list[int] = []
        self._failures: list[tuple[type[PushError], str]] = []

    @property
    def began(self) -> bool:
        """Whether anything was pushed, or may have been."""
        return bool(self._pushed or self._uncertain)

    def rounds(self) -> Iterator[list[Portion]]:
        """Yields what to send next, until all is sent or something has failed."""
        for portions in self._rounds:
            if self._failures:
                return
            yield portions

    def record(self, portions: Sequence[Portion], fates: Sequence[Fate], shortfall: str | None) -> None:
        """Takes the results of a round trip; `shortfall` says why the events may not be durable."""
        for portion, fate in zip(portions, fates, strict=True):
            positions = [event.position for event in portion.events]
            self._pushed += positions[: fate.pushed]
            if fate.ending is PushEnding.LOST:
                self._uncertain += positions[fate.pushed :]
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
