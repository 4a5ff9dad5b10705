"""Keeps the log readable when the same thing happens a thousand times a second.

The first line of a kind is written at once. Lines of this kind that follow within ten seconds are only counted; then
their number is written. So an outage costs one line for each status every ten seconds, however many POSTs fail.
"""

from collections.abc import Callable
from dataclasses import dataclass

from structlog import DropEvent
from structlog.typing import EventDict, WrappedLogger

#: Seconds for which lines of one kind are counted before their number is written.
PERIOD = 10.0


@dataclass(frozen=True, slots=True)
class Repeated:
    """How often a log line has been suppressed since it was last written or counted."""

    line: str
    status: str
    times: int
    seconds: float
    level: str = "info"

    @property
    def fields(self) -> EventDict:
        """The line that says it."""
        return {
            "event": "more of the same",
            "line": self.line,
            "status": self.status,
            "times": self.times,
            "in_seconds": self.seconds,
        }


@dataclass(slots=True)
class _Period:
    since: float
    times: int = 0
    level: str = "info"

    def over(self, now: float) -> bool:
        return now - self.since >= PERIOD


class Repeats:
    """A structlog processor that drops repeated lines and counts them; the first of the chain.

    A call says that it may repeat itself::

        log.info("POST not accepted", status="503", seconds=0.1, repeats=True)

    Lines with the same text and `status` are one kind. Where another member tells the kinds apart, `repeats` is that:
    ``repeats="invalid 400"``. Texts and kinds come from closed sets, so memory is bounded.

    The number of dropped lines is written in the place of the first line of this kind after ten seconds. If none comes,
    :meth:`pending` has it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._periods: dict[tuple[str, str], _Period] = {}

    def __call__(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Lets a line pass, drops it, or replaces it by the number of those that were dropped.

        Raises:
            DropEvent: the line is only counted.
        """
        repeats = event.pop("repeats", False)
        if not repeats:
            return event
        kind = event["event"], event.get("status", "") if repeats is True else repeats
        now = self._clock()
        period = self._periods.get(kind)
        if period is None or (period.over(now) and not period.times):
            self._periods[kind] = _Period(now, level=level)
            return event
        period.times += 1
        if not period.over(now):
            raise DropEvent
        return self._counted(kind, period, now).fields

    def _counted(self, kind: tuple[str, str], period: _Period, now: float) -> Repeated:
        """Counts on from now."""
        self._periods[kind] = _Period(now, level=period.level)
        return Repeated(*kind, period.times, round(now - period.since, 1), period.level)

    def pending(self, *, at_once: bool = False) -> list[Repeated]:
        """What was counted in periods that are over (or in all of them), to be written now; call it every second."""
        now = self._clock()
        found = []
        for kind, period in list(self._periods.items()):
            if not period.over(now) and not at_once:
                continue
            if period.times:
                found.append(self._counted(kind, period, now))
            else:
                del self._periods[kind]
        return found
