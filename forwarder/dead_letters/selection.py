"""Selects dead letters, by ID or by a filter."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

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

    def for_replay(self, *, edited: bool = False) -> "Filter":
        """The same without what should not be pushed again, unless it is asked for by reason.

        That is the events of erased users, whose data should go, and invalid elements, which come back as dead
        letters; but an edit may turn those into events.
        """
        if self.reason is not None:
            return self
        return _ForReplay(**asdict(self), stay=frozenset({LetterReason.ERASED} if edited else _STAY))

    def spares(self, letter: DeadLetter) -> bool:  # noqa: ARG002 - of a replay
        """Whether a letter that matches is not selected, because it should not be pushed again."""
        return False

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


#: The reasons that a replay leaves out, unless one is asked for.
_STAY = frozenset({LetterReason.ERASED, LetterReason.INVALID})


@dataclass(frozen=True, slots=True)
class _ForReplay(Filter):
    stay: frozenset[str] = _STAY

    def spares(self, letter: DeadLetter) -> bool:
        return letter.reason in self.stay


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected letters, decided once: an event that becomes a dead letter later is not among them.

    Attributes:
        which: the filter, if they were selected by one.
        ids: their IDs, if they were selected by ID.
        first, last: only IDs from `first` to `last` are selected.
        reasons: how many letters there were for each reason.
        missing: how many of the given IDs match no letter.
        spared: how many letters of each reason match, but should not be pushed again.
    """

    which: Filter
    ids: tuple[str, ...] | None
    first: str
    last: str
    reasons: Mapping[str, int]
    missing: int = 0
    spared: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many letters there were."""
        return sum(self.reasons.values())
