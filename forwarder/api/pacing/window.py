"""When the next POST may start, for a given number of POSTs per second. Pure.

Two rules together. The window: no second sees more POSTs than the rate plus one. The pace: POSTs start evenly
spaced, and a delay is made up for. Example: at 120 POSTs/s one starts every 8.3 ms. If the event loop is busy for
100 ms, the next 12 start together, and the second that they fall into still sees at most 121.
"""

from collections import deque

#: A POST that starts late by at most this many seconds shifts none of those after it. After a longer time nobody wanted
#: to POST, and that time is not saved up for a rush. Without this, an event loop that wakes 5 ms late for each POST
#: would lose 37 % of a rate of 120.
_LATE = 0.25


class Window:
    """The starts of the last second. All times are in seconds, monotonic."""

    def __init__(self) -> None:
        #: When the last POST was due. It may have started later.
        self._due = float("-inf")
        self._starts: deque[float] = deque()

    def opens(self, rate: float) -> float:
        """The earliest moment at which the next POST may start. The rate, in POSTs per second, may change any time."""
        most = int(rate) + 1
        earliest = self._due + 1.0 / rate
        return max(earliest, self._starts[-most] + 1.0) if len(self._starts) >= most else earliest

    def started(self, now: float, rate: float) -> None:
        """A POST starts now."""
        due = self._due + 1.0 / rate
        self._due = due if due > now - _LATE else now
        self._starts.append(now)
        while self._starts[0] <= now - 1.0:
            self._starts.popleft()
