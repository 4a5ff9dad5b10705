"""Selects dead letters, by ID or by a filter."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from forwarder.event import name_of
from forwarder.outcome import LetterReason
from forwarder.queue.letters import DeadLetter


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects dead letters. None means any. Ages are in seconds since the event became a dead letter."""

    reason: str | None = None
    status: str | None = None
    user: str | None = None
    name: str | None = None
    older: float | None = None
    newer: float | None = None
    limit: int | None = None

    def for_replay(self) -> "Filter":
        """The same without the events of erased users, whose data should go, unless they are asked for by reason."""
        return self if self.reason is not None else _NotErased(*astuple(self))

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a letter matches everything that is set, except for the age."""
        return (
            self.reason in (None, letter.reason)
            and self.status in (None, letter.status)
            and self.user in (None, letter.user_id)
            and (self.name is None or self.name == name_of(letter.element))
        )

    def span(self, now: int) -> tuple[str, str]:
        """The first and the last ID that the ages allow. `now` is in milliseconds since 1970."""
        first = "-" if self.newer is None else str(max(0, now - round(self.newer * 1_000)))
        last = "+" if self.older is None else str(max(0, now - round(self.older * 1_000)))
        return first, last


@dataclass(frozen=True, slots=True)
class _NotErased(Filter):
    def matches(self, letter: DeadLetter) -> bool:
        return letter.reason != LetterReason.ERASED and Filter.matches(self, letter)


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected letters, decided once: an event that becomes a dead letter later is not among them.

    Attributes:
        which: the filter, if they were selected by one.
        ids: their IDs, if they were selected by ID.
        first, last: only IDs from `first` to `last` are selected.
        reasons: how many letters there were for each reason.
        missing: how many of the given IDs match no letter.
    """

    which: Filter
    ids: tuple[str, ...] | None
    first: str
    last: str
    reasons: Mapping[str, int]
    missing: int = 0

    @property
    def count(self) -> int:
        """How many letters there were."""
        return sum(self.reasons.values())
