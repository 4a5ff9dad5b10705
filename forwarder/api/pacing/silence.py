"""Since when the API has answered nobody well, and why. Pure.

A silence begins with the first POST that fails after one that was answered well: at 12:00:00 a POST is accepted, an
hour later the next one starts, and its answer is 503. The silence is as old as that POST, not an hour.
A POST fails if its events are neither accepted nor refused, so that they must be sent again. A 400 ends a silence: the
API has decided. A 403 does not, nor does a 404 of an address that may be wrong.
An outage is a silence that has lasted for a while and that three different users were met with: with fewer users, the
cause may be their events.
"""

from forwarder.api.evidence import Evidence

#: An outage has lasted for at least this many seconds. Shorter troubles are over before a person could read of them:
#: the first four probes of an outage go out within 3.5 s.
_LASTING = 5.0


class Silences:
    """What failed since the last good answer. All times are in seconds, monotonic."""

    def __init__(self) -> None:
        self._failing: Evidence[None] = Evidence()
        self._last_good = float("-inf")
        #: When the silence of now began; None if the API answers.
        self.since: float | None = None
        #: Of the latest failure.
        self.cause = ""

    def failed(self, user: str, cause: str, started: float) -> None:
        """A POST that started then has failed. `cause`: its status, or why it got no answer."""
        if self.since is None:
            self.since = max(started, self._last_good)
        self.cause = cause
        self._failing.add(user, None)

    def answered(self, now: float) -> None:
        """The API has accepted the events of a POST, or refused them."""
        self._last_good = now
        self.forget()

    def forget(self) -> None:
        """No event that failed is tried any more, so nothing will show whether the API answers again."""
        self.since = None
        self._failing.clear()

    @property
    def is_general(self) -> bool:
        """Whether three different users failed."""
        return self._failing.enough

    def is_outage(self, now: float) -> bool:
        """Whether the API has answered nobody well for a while."""
        return self.is_general and self.since is not None and now - self.since >= _LASTING
