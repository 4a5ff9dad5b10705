"""When the events came, by their numbers: exact for a while, then only that it was before. Pure."""

from bisect import bisect_left
from collections import deque


class Arrivals:
    """Remembers one time for each page of events that came lately, not one for each event.

    Args:
        remembered: seconds for which a time is kept. Of earlier events it is only known that they are older.
    """

    def __init__(self, remembered: float) -> None:
        self._remembered = remembered
        self._newest: deque[int] = deque()
        self._when: deque[float] = deque()

    def add(self, newest: int, now: float) -> None:
        """All events up to this number are here; those after the number before came now."""
        self._newest.append(newest)
        self._when.append(now)
        while len(self._when) > 1 and self._when[1] <= now - self._remembered:
            self._newest.popleft()
            self._when.popleft()

    def of(self, number: int) -> float:
        """When the event with this number came; of one that came long ago, a later time that is also long ago."""
        return self._when[min(bisect_left(self._newest, number), len(self._when) - 1)]
