"""The dead-letter brake: a flood of refusals is a broken deploy, not so many bad events. Pure."""

from collections import deque

#: The brake trips when so many of so many were refused: 80 %, in whole numbers.
_SHARE = (4, 5)


class Brake:
    """Watches the last decided events.

    Args:
        window: how many of them; it trips when 80 % of so many were refused by the API or exhausted.
            0 switches it off.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._limit = max(1, -(-window * _SHARE[0] // _SHARE[1]))
        self._recent: deque[bool] = deque(maxlen=window or 1)
        self._refused = 0
        self._allowance = 0

    def accepted(self, events: int) -> None:
        """So many events were accepted."""
        count = min(events, self._window)
        if self._refused:
            for _ in range(count):
                self._remember(refused=False)
        else:  # nothing to forget: nearly always, and a hundred times as fast
            self._recent.extend([False] * count)

    def refused(self) -> bool:
        """One event is about to become a dead letter; True if it must stay claimed: the brake is on."""
        if self._allowance:
            self._allowance -= 1
            return False
        if not self._window:
            return False
        leaving = len(self._recent) == self._window and self._recent[0]
        if self._refused - leaving + 1 >= self._limit:
            return True
        self._remember(refused=True)
        return False

    def allow(self, refusals: int) -> None:
        """Lets so many refusals through uncounted, besides those already allowed."""
        self._allowance += refusals

    def forget(self) -> None:
        """Starts with an empty window: a person has looked at what was refused."""
        self._recent.clear()
        self._refused = 0

    def _remember(self, *, refused: bool) -> None:
        if len(self._recent) == self._window:
            self._refused -= self._recent[0]
        self._recent.append(refused)
        self._refused += refused
