"""The dead-letter brake: halts when most events are refused. Pure.

A flood of refusals means that a deploy is broken. Without the brake it would empty the queue into the dead letters.

Example with a window of 100: while at most 79 of the latest 100 events are refused, they become dead letters. The 80th
refusal trips the brake. It stays claimed, and so does every later one.
"""

from collections import deque

#: The brake trips when 4 of 5 events were refused: 80 %, in whole numbers, so that the limit is exact.
_SHARE = (4, 5)


class Brake:
    """Watches the latest decided events. Invalid elements do not count.

    Args:
        window: how many events it looks at. It trips when 80 % of this number were refused by the API or exhausted.
            0 switches it off.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._limit = max(1, -(-window * _SHARE[0] // _SHARE[1]))
        self._recent: deque[bool] = deque(maxlen=window or 1)
        self._refused = 0
        self._allowance = 0

    def accepted(self, events: int) -> None:
        count = min(events, self._window)
        if self._refused:
            for _ in range(count):
                self._remember(refused=False)
        else:  # no refusal can leave the window: nearly always so, and a hundred times as fast
            self._recent.extend([False] * count)

    def refused(self) -> bool:
        """One event is about to become a dead letter. Returns True if the brake trips: the event must stay claimed."""
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
        """Lets this many more refusals through without counting them."""
        self._allowance += refusals

    def forget(self) -> None:
        """Empties the window, after a person has looked at what was refused."""
        self._recent.clear()
        self._refused = 0

    def _remember(self, *, refused: bool) -> None:
        if len(self._recent) == self._window:
            self._refused -= self._recent[0]
        self._recent.append(refused)
        self._refused += refused
