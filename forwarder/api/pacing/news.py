"""What to say about outages: one line when one begins, and one when it is over. Pure.

An API that answers one POST in a hundred would begin an outage and end one every few seconds. So an outage is over only
once no three users in a row have failed for a while.
Example: the API fails from 12:00:00 on, is well for two seconds at 12:05:00, and again from 12:09:00 on. That is one
outage, of nine minutes.
"""

from dataclasses import dataclass

from forwarder.api.pacing.silence import Silences

#: An outage is over after this many seconds without three users in a row who failed.
_CALM = 5.0


@dataclass(frozen=True, slots=True)
class Begun:
    """An outage has begun this many seconds ago; the latest POST failed for this cause."""

    seconds: float
    cause: str


@dataclass(frozen=True, slots=True)
class Over:
    """An outage is over, after this many seconds."""

    seconds: float


class News:
    """Whether there is an outage, as people see it. To be asked every second. Times are in seconds, monotonic."""

    def __init__(self) -> None:
        self._began: float | None = None
        #: Since when no three users in a row have failed.
        self._calm: float | None = None

    @property
    def is_outage(self) -> bool:
        return self._began is not None

    def look(self, silences: Silences, now: float) -> Begun | Over | None:
        """What is to be said now."""
        if self._began is None:
            if silences.since is None or not silences.is_outage(now):
                return None
            self._began, self._calm = silences.since, None
            return Begun(now - self._began, silences.cause)
        if silences.is_general:
            self._calm = None
        elif silences.last_good < self._began:
            self._began = None  # nothing is tried any more: whether the API answers again is not known
        elif self._calm is None:
            self._calm = now
        elif now - self._calm >= _CALM:
            seconds, self._began = self._calm - self._began, None
            return Over(seconds)
        return None
