"""How long the oldest waiting event has been waiting: its element does not say, but how the list grows does; pure."""

from itertools import pairwise
from typing import NamedTuple

#: Growths remembered one by one; of more, those that lie close together for their age are taken as one.
_MANY = 2_048
#: By which share of an age that may make it too small.
_TOO_SMALL = 0.01


class _Grown(NamedTuple):
    """So many events had been pushed since ever when somebody looked at `when`."""

    pushed: int
    when: float


class WaitingAge:
    """Remembers when the list was seen to grow. One per list and process.

    Everything is counted in places: the n-th event ever pushed has the n-th place, and events are taken in that order.
    """

    def __init__(self) -> None:
        self._seen: list[_Grown] = []

    def observe(self, taken: int, waiting: int, now: float) -> float:
        """Seconds since the oldest waiting event was first seen to be there, 0 if none waits; never more than its age.

        Args:
            taken: events ever claimed.
            waiting: events in the list.
            now: on the caller's clock.
        """
        pushed = taken + waiting
        if self._seen and pushed < self._seen[-1].pushed:
            self._seen.clear()  # Redis went back in time, or somebody deleted events: the places mean others now
        if not self._seen or pushed > self._seen[-1].pushed:
            self._seen.append(_Grown(pushed, now))
        self._seen = [grown for grown in self._seen if grown.pushed > taken]
        if len(self._seen) > _MANY:
            self._thin(now)
        return now - self._seen[0].when if self._seen else 0.0

    def _thin(self, now: float) -> None:
        first, *rest = self._seen
        kept = [first]
        for grown, following in pairwise(rest):
            if following.when - kept[-1].when > (now - grown.when) * _TOO_SMALL:
                kept.append(grown)
        self._seen = [*kept, self._seen[-1]]
