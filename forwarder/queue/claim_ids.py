"""The IDs of claimed events whose bytes are only in Redis: 16 bytes of memory each. Pure."""

from array import array
from collections.abc import Iterable

#: Entries that are taken before the arrays are cut. Cutting costs time in proportion to what is left.
_CUT = 4_096


class ClaimIds:
    """A queue of (sequence number, stamp), oldest first."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._stamps = array("Q")
        self._taken = 0
        #: Fields of the hash that no claim has written. They are not among these IDs.
        self.foreign = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._taken

    def append(self, number: int, stamp: int) -> None:
        """Adds the newest event."""
        self._numbers.append(number)
        self._stamps.append(stamp)

    def extend(self, numbers: Iterable[int], stamp: int) -> None:
        """Adds the events of one claim, which are newer than all the others."""
        before = len(self._numbers)
        self._numbers.extend(numbers)
        self._stamps.extend([stamp] * (len(self._numbers) - before))

    def take(self, most: int) -> list[tuple[int, int]]:
        """Removes and returns up to `most` of the oldest IDs."""
        end = min(self._taken + most, len(self._numbers))
        found = list(zip(self._numbers[self._taken : end], self._stamps[self._taken : end], strict=True))
        self._taken = end
        if self._taken >= _CUT or self._taken == len(self._numbers):
            del self._numbers[: self._taken]
            del self._stamps[: self._taken]
            self._taken = 0
        return found
