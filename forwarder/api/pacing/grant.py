"""This process's part of the fleet's rate: how much it was granted, and how much it could use. Pure.

The workers together never hold more than the fleet's rate. A grant that is lowered here goes to another worker only
once this one has confirmed that it was lowered. It confirms a second later, because a second that began before may
still see POSTs of the larger grant. So in any second the POSTs of W workers are at most the rate plus W.
"""

from math import inf, sqrt
from typing import NamedTuple

#: Seconds for which a lowered grant still counts: the length of the window.
_WINDOW = 1.0
#: The use is a mean in which the last second counts this much. 1 would follow each random gap between events; each
#: change of a grant costs the fleet what was lowered here and is not yet raised elsewhere, for about two heartbeats.
_LATEST = 0.2
#: A use that falls by more than this many standard deviations of a random load has ended, and the mean begins anew: if
#: fewer than 21 of 40 POSTs in a second are left, or none of 10.
_CHANCE = 3.0
#: Shorter periods say little: a heartbeat that comes early repeats the last figures.
_SHORTEST = 0.5
#: Eager means that at least this part of the POSTs had to wait for the rate. Not all: one may find a gap by chance.
_EAGER = 0.95


class Demand(NamedTuple):
    """What a worker reports to the fleet, in POSTs per second.

    Attributes:
        limit: of the whole fleet, as this worker is configured; 0 means no limit.
        held: the largest grant that it has used within the last second.
        use: what it uses, seen over a few seconds; all that is granted while it is eager.
        eager: in how many reports in a row it could have used more than it was granted.
    """

    limit: float
    held: float
    use: float
    eager: int


class Grant:
    """What this process was granted.

    Until the first grant it may use the whole limit. A worker starts POSTs only once it owns a list, and it owns none
    before its first heartbeat was answered, which grants something.

    Args:
        limit: of the whole fleet, in POSTs per second.
        now: seconds, monotonic, as all other times here.
    """

    def __init__(self, limit: float, now: float) -> None:
        self._limit = limit
        self._value: float | None = None
        self._until = inf
        #: Larger grants of before, and until when each was in force.
        self._before: list[tuple[float, float]] = []
        self._measured = now
        self._started = self._waited = self._eager = 0
        self._use = 0.0

    def value(self, now: float) -> float:
        """POSTs per second that may start now; 0 means none, infinity means that the fleet has no limit."""
        if not self._limit:
            return inf
        if now >= self._until:
            return 0.0
        return self._limit if self._value is None else self._value

    def receive(self, value: float, until: float, now: float) -> None:
        """From now on `value` is granted, and nothing from `until` on. Without a limit nothing needs to be granted."""
        if not self._limit:
            return
        if self._value is not None:
            self._before.append((self._value, min(now, self._until)))
        self._value, self._until = value, until

    def started(self, *, waited: bool) -> None:
        """A POST starts. `waited`: the rate alone has delayed it."""
        self._started += 1
        self._waited += waited

    def demand(self, now: float, *, rate: float, waiting: bool) -> Demand:
        """What to report.

        Args:
            now: when.
            rate: POSTs per second that may start now. It is below the grant if the API has refused some.
            waiting: whether a POST waits for the rate.
        """
        if not self._limit:
            return Demand(0.0, 0.0, 0.0, 0)
        granted = self.value(now)
        if (seconds := now - self._measured) >= _SHORTEST:
            used = self._started / seconds * (granted / rate if rate else 1.0)
            expected = self._use * seconds
            by_chance = used * seconds >= expected - _CHANCE * sqrt(expected)
            self._use += (min(1.0, _LATEST * seconds) if by_chance else 1.0) * (used - self._use)
            eager = self._waited >= _EAGER * self._started if self._started else waiting
            self._eager = self._eager + 1 if eager else 0
            self._measured, self._started, self._waited = now, 0, 0
        self._before = [(value, end) for value, end in self._before if end > now - _WINDOW]
        held = max((value for value, _ in self._before), default=0.0)
        if self._value is not None and now < self._until + _WINDOW:
            held = max(held, self._value)
        return Demand(self._limit, held, max(self._use, granted) if self._eager else self._use, self._eager)
