"""Estimates the age of the oldest waiting event from when the list was seen to grow. Pure.

Events carry no arrival time. Example: at 100 s, 10 events wait; at 160 s, 25. Now the oldest one is at least 60 s old.
Then 10 are claimed. The oldest one now came between 100 s and 160 s, so at 170 s it is at least 10 s old.
"""

from itertools import pairwise
from typing import NamedTuple

#: Up to this many increases are kept exactly: 42 minutes of growth. Beyond that, neighbouring ones are merged. Each
#: takes 130 bytes, and every process remembers those of every list: of 1,000 lists at most 65 MB.
_MANY = 512
#: Largest relative error in an age that merging may cause: an age of 1,000 s is shown as at least 950 s. With it, the
#: increases of a month are 400.
_TOO_SMALL = 0.05


class _Grown(NamedTuple):
    """An increase: at `when`, this many events had ever been pushed."""

    pushed: int
    when: float


class WaitingAge:
    """Remembers when a list was seen to grow. One per list and process.

    Events are numbered in the order in which they were pushed. They are claimed in the same order.
    """

    def __init__(self) -> None:
        self._seen: list[_Grown] = []

    def observe(self, taken: int, waiting: int, now: float) -> float:
        """Seconds since the oldest waiting event was first seen: never more than its true age. 0 if none waits.

        Args:
            taken: events ever claimed.
            waiting: events in the list.
            now: on the caller's clock.
        """
        pushed = taken + waiting
        if self._seen and pushed < self._seen[-1].pushed:
            self._seen.clear()  # Redis went back in time, or somebody deleted events: the numbers mean others now
        if not self._seen or pushed > self._seen[-1].pushed:
            self._seen.append(_Grown(pushed, now))
        self._seen = [grown for grown in self._seen if grown.pushed > taken]
        if len(self._seen) > _MANY:
            self._thin(now)
        return now - self._seen[0].when if self._seen else 0.0

    def _thin(self, now: float) -> None:
        # Events of an increase that is dropped count as if they had come with the following one. So an increase may be
        # dropped if its neighbours are close together: after 1,000 s, within 50 s.
        first, *rest = self._seen
        kept = [first]
        for grown, following in pairwise(rest):
            if following.when - kept[-1].when > (now - grown.when) * _TOO_SMALL:
                kept.append(grown)
        self._seen = [*kept, self._seen[-1]]
