"""The IDs of claimed events whose bytes are only in Redis: 20 bytes of memory each. Pure.

An ID is a sequence number and a stamp, and beside it stands the size of the event, so that it is known how many may be
read back. There may be two million, so they are in flat arrays: a tuple would take ten times as much.
"""

import heapq
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby

#: Sequence number, stamp.
ClaimId = tuple[int, int]

#: Entries that are taken before the arrays are cut. Cutting costs time in proportion to what is left.
_CUT = 4_096


class ClaimIds:
    """A queue of IDs, oldest first."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._stamps = array("Q")
        self._sizes = array("I")
        self._taken = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._taken

    def extend(self, numbers: Iterable[int], stamps: Iterable[int], sizes: Iterable[int]) -> None:
        """Adds events that are newer than all the others."""
        self._numbers.extend(numbers)
        self._stamps.extend(stamps)
        self._sizes.extend(sizes)

    def prepend(self, numbers: Iterable[int], stamps: Iterable[int], sizes: Iterable[int]) -> None:
        """Adds events that are older than all the others."""
        at = slice(self._taken, self._taken)
        self._numbers[at] = array("Q", numbers)
        self._stamps[at] = array("Q", stamps)
        self._sizes[at] = array("I", sizes)

    def first(self, most: int, most_bytes: int) -> tuple[int, int]:
        """How many of the oldest events have at most this many bytes together, but at least one; and their bytes."""
        totals = list(accumulate(self._sizes[self._taken : self._taken + most]))
        count = min(len(totals), max(1, bisect_right(totals, most_bytes)))
        return count, totals[count - 1] if count else 0

    def take(self, most: int, most_bytes: int = sys.maxsize) -> list[ClaimId]:
        """Removes and returns the oldest IDs: as many as :meth:`first` says."""
        count, _ = self.first(most, most_bytes)
        end = self._taken + count
        found = list(zip(self._numbers[self._taken : end], self._stamps[self._taken : end], strict=True))
        self._taken = end
        if self._taken >= _CUT or self._taken == len(self._numbers):
            del self._numbers[: self._taken]
            del self._stamps[: self._taken]
            del self._sizes[: self._taken]
            self._taken = 0
        return found


class ScannedIds:
    """The IDs of all claimed events of a list, which Redis returns in any order, some twice. They come out by age.

    Each page is sorted as it comes, and the pages are merged as the IDs are taken. So there is no step that takes long:
    sorting two million IDs at once would stop the event loop for seconds.
    """

    def __init__(self) -> None:
        self._pages: list[Iterator[tuple[int, int, int]]] = []
        self._merged: Iterator[tuple[int, int, int]] | None = None
        self._next: tuple[int, int, int] | None = None
        #: Fields of the hash that no claim has written. They are not among these IDs.
        self.foreign = 0

    def add(self, page: Sequence[tuple[int, int, int]]) -> None:
        """Adds a page of (sequence number, stamp, size). Not to be called once IDs were taken."""
        numbers, stamps, sizes = zip(*sorted(page), strict=True) if page else ((), (), ())
        self._pages.append(zip(array("Q", numbers), array("Q", stamps), array("I", sizes), strict=True))

    def __bool__(self) -> bool:
        """Whether there are more."""
        if self._merged is None:
            self._merged = (each for each, _ in groupby(heapq.merge(*self._pages)))
            self._next = next(self._merged, None)
        return self._next is not None

    def take(self, most: int, most_bytes: int = sys.maxsize) -> list[ClaimId]:
        """Returns the oldest IDs: of at most this many bytes together, but at least one."""
        found: list[ClaimId] = []
        total = 0
        while self and self._next is not None and self._merged is not None and len(found) < most:
            number, stamp, size = self._next
            total += size
            if total > most_bytes and found:
                break
            found.append((number, stamp))
            self._next = next(self._merged, None)
        return found
