"""When a settlement may begin: at once while the process settles seldom, in groups while it settles often."""

from collections.abc import Callable

#: Seconds of the process's time that each settlement takes up, whichever list it is for. Even if it is for one event,
#: it costs Redis about 60 us and the worker about 180 us. So the 200 a second that fit cost 1 % and 4 % of a core.
#: Example: one list and 120 POSTs/s, an answer every 8 ms. Each answer is settled at once. With 4,000 POSTs/s, at least
#: 20 answers share a settlement.
_EACH = 0.005
#: Seconds that an outcome waits at most, however late the process is.
#: Example: 64 lists with 62 POSTs/s each could begin 3,968 settlements a second. The process is always late, so each
#: list settles this long after its first outcome: 64 / (50 ms + 16 ms) = 970 settlements a second.
_LONGEST = 0.05
#: Seconds that the process is late at most: after more settlements than fit, it settles in groups for this long.
#: Example: the machine pauses a process with 64 busy lists for 0.3 s. It is still late afterwards, so its lists go on
#: in groups. With 0.1 s, each of them would settle its next outcome alone.
_LATEST = 1.0


class Pace:
    """Shared by all lists of a process, so that many lists together do not settle more often than one.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: Until when the settlements that have begun take up the process's time.
        self._free_at = clock()

    def pause(self) -> float:
        """Seconds after which a settlement may begin; 0 if it may begin at once."""
        return min(max(0.0, self._free_at - self._clock()), _LONGEST)

    def begun(self) -> None:
        """A settlement has begun."""
        now = self._clock()
        self._free_at = min(max(self._free_at, now) + _EACH, now + _LATEST)
