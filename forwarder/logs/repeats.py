"""Keeping the log readable when the same thing happens a thousand times a second; pure.

The first line of a kind is said at once. The ones that follow within ten seconds are only counted, and the count is
said once they are over. So an outage costs a line for each status every ten seconds, however many POSTs fail.
"""

from collections.abc import Callable
from dataclasses import dataclass

#: Seconds for which lines of one kind are counted before their number is said.
PERIOD = 10.0


@dataclass(frozen=True, slots=True)
class Repeated:
    """A line that was not said so many times since it, or its number, was last said."""

    line: str
    status: str
    times: int
    seconds: float


@dataclass(slots=True)
class _Period:
    since: float
    times: int = 0


class Chatter:
    """One per process. A kind is a line and a status, both from closed sets, so that memory is bounded.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._periods: dict[tuple[str, str], _Period] = {}

    def is_news(self, line: str, status: str) -> bool:
        """Whether to say this now; else it is counted."""
        period = self._periods.get((line, status))
        if period is None:
            self._periods[line, status] = _Period(self._clock())
            return True
        period.times += 1
        return False

    def repeated(self, *, at_once: bool = False) -> list[Repeated]:
        """What was counted in periods that are over (or in all of them), to be said now; call it every second."""
        now = self._clock()
        found = []
        for (line, status), period in list(self._periods.items()):
            if now - period.since < PERIOD and not at_once:
                continue
            if period.times:
                found.append(Repeated(line, status, period.times, round(now - period.since, 1)))
                self._periods[line, status] = _Period(now)
            else:
                del self._periods[line, status]
        return found
