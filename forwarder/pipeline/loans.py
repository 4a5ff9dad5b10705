"""When the oldest event was claimed that is in this worker and not settled. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

#: Claims within a quarter of a second count as one. There may be two million claims of one event each, and an object
#: for each would take 200 MB.
_TOGETHER = 250_000
#: Entries of settled claims that are kept before the arrays are cut. Cutting takes time in proportion to what is left.
_CUT = 4_096


class Loans:
    """Counts the unsettled events of each claim: 24 bytes for a quarter of a second in which something was claimed."""

    def __init__(self) -> None:
        #: By claim, oldest first: the number of its first event here, its stamp, and how many events are not settled.
        self._firsts, self._stamps, self._left = array("Q"), array("Q"), array("q")
        self._settled = 0

    @property
    def oldest_stamp(self) -> int | None:
        """Stamp (microseconds) of the oldest claim with unsettled events."""
        return self._stamps[self._settled] if self._settled < len(self._stamps) else None

    def add(self, numbers: Sequence[int], stamps: Sequence[int]) -> None:
        """These events are here now. Their numbers are higher than those of all events before them."""
        at = 0
        for stamp, same in groupby(stamps):
            count = sum(1 for _ in same)
            if not (self._stamps and 0 <= stamp - self._stamps[-1] < _TOGETHER and self.oldest_stamp is not None):
                self._firsts.append(numbers[at])
                self._stamps.append(stamp)
                self._left.append(0)
            self._left[-1] += count
            at += count

    def end(self, number: int, events: int) -> None:
        """This many events of the claim with the event `number` are settled."""
        self._left[bisect_right(self._firsts, number) - 1] -= events
        while self._settled < len(self._left) and self._left[self._settled] <= 0:
            self._settled += 1
        if self._settled >= _CUT:
            for each in (self._firsts, self._stamps, self._left):
                del each[: self._settled]
            self._settled = 0
