"""Who is ready, by the size of the group and by age. Pure.

Two questions have to be cheap with a million users: whose group is the largest, and whose oldest event is the
oldest. Sizes above one POST's worth are all alike, so a list of levels answers the first one in O(1); a heap
answers the second in O(log n), amortized.
"""

import heapq
from collections import OrderedDict

#: Left-overs in the heap, per ready user, before they are swept out.
_SLACK = 2


class Turns:
    """The ready users.

    Args:
        most: the size of a full group; larger ones count as this.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # Not plain dicts: finding the first key of one whose first keys were deleted takes a walk over the gap.
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
        """`user` is no longer ready."""
        self._fall(user, self._sizes.pop(user))
        del self._oldest[user]

    def largest(self) -> str | None:
        """Of the users with the largest group the one whose group reached that size first."""
        if not self._occupied:
            return None
        return next(iter(self._levels[self._occupied.bit_length() - 1]))

    def oldest(self) -> str | None:
        """The user with the lowest sequence number."""
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
