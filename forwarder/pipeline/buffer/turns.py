"""The ready users, by the size of their groups and by age. Pure.

Two questions have to be cheap with a million users: whose group is the largest, and whose oldest event is the
oldest. Sizes above one POST's worth are all alike, so a list of levels answers the first one in O(1); a heap
answers the second in O(log n), amortized.
"""

import heapq
from collections import OrderedDict

#: A user who leaves stays in the heap until it gets to the top. The heap is rebuilt when it has this many entries per
#: ready user, and one POST's worth more: with 1,000 ready users and 100 events in a POST, beyond 2,100 entries.
_SLACK = 2


class Turns:
    """The ready users.

    Args:
        most: the size of a full group; larger groups count as full.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # Not plain dicts: if a dict's first keys were deleted, finding its first key takes a walk over the gap.
        self._levels: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(most + 1)]
        #: Bit n is set while level n has users.
        self._occupied = 0
        self._sizes: dict[str, int] = {}
        self._oldest: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def enter(self, user: str, size: int, oldest: int) -> None:
        """`user` became ready with a group of `size`, whose oldest event has the sequence number `oldest`."""
        self._rise(user, min(size, self._most))
        self._oldest[user] = oldest
        heapq.heappush(self._heap, (oldest, user))
        if len(self._heap) > _SLACK * len(self._oldest) + self._most:
            self._heap = [(number, name) for name, number in self._oldest.items()]
            heapq.heapify(self._heap)

    def grow(self, user: str, size: int) -> None:
        """The group of a ready user has grown to `size`."""
        before = self._sizes[user]
        if before < self._most:
            self._fall(user, before)
            self._rise(user, min(size, self._most))

    def leave(self, user: str) -> None:
        self._fall(user, self._sizes.pop(user))
        del self._oldest[user]

    def largest(self) -> str | None:
        """Of the users with the largest group, the one whose group reached that size first; None if none is ready."""
        if not self._occupied:
            return None
        return next(iter(self._levels[self._occupied.bit_length() - 1]))

    def oldest(self) -> str | None:
        """The user whose oldest event has the lowest sequence number; None if none is ready."""
        heap = self._heap
        while heap and self._oldest.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][1] if heap else None

    def _rise(self, user: str, size: int) -> None:
        self._sizes[user] = size
        self._levels[size][user] = None
        self._occupied |= 1 << size

    def _fall(self, user: str, size: int) -> None:
        level = self._levels[size]
        del level[user]
        if not level:
            self._occupied &= ~(1 << size)
