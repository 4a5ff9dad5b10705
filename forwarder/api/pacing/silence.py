"""Since when the API has accepted and refused nothing, and why. Pure.

A silence begins with the first POST that fails after one that was answered well: at 12:00:00 a POST is accepted, an
hour later the next one starts, and its answer is 503. The silence is as old as that POST, not an hour.
A POST fails if its events are neither accepted nor refused, so that they must be sent again. A 400 ends a silence: the
API has decided. A 403 does not, nor does a 404 of an address that may be wrong.
An outage is a silence that has lasted for a while and in which three different users have failed. With fewer users, the
cause may be their events.
"""

from forwarder.api.evidence import Evidence

#: Seconds. Shorter troubles are over before a person could read of them: the first four probes of an outage go out
#: within 3.5 s. A silence that has lasted as long ends the backoffs of those who failed in it. A user who always fails,
#: among others who are rarely sent anything, is then sent one POST more every five seconds at most.
_LASTING = 5.0


class Silences:
    """What failed since the last good answer. All times are in seconds, monotonic."""

    def __init__(self) -> None:
        self._failing: Evidence[None] = Evidence()
        #: When the API last decided something.
        self.last_good = float("-inf")
        #: Those that are being tried.
        self._batches = 0
        #: When the silence of now began; None if the API answers.
        self.since: float | None = None
        #: Of the latest failure.
        self.cause = ""

    def failed(self, user: str, cause: str, started: float) -> None:
        """A POST that started then has failed. `cause`: its status, or why it got no answer."""
        if self.since is None:
            self.since = max(started, self.last_good)
        self.cause = cause
        self._failing.add(user, None)

    def answered(self, now: float) -> None:
        """The API has accepted the events of a POST, or refused them."""
        self.last_good = now
        self._forget()

    def begin(self) -> None:
        """A batch is going to be sent, as often as it takes; :meth:`end` follows."""
        self._batches += 1

    def end(self) -> None:
        """A batch is decided, or this process will not send it again.

        If no batch is left, nothing will show whether the API answers again, and the silence is forgotten.
        """
        self._batches -= 1
        if not self._batches:
            self._forget()

    def _forget(self) -> None:
        self.since = None
        self._failing.clear()

    @property
    def is_general(self) -> bool:
        """Whether three different users failed."""
        return self._failing.enough

    def has_lasted(self, now: float) -> bool:
        """Whether the silence has lasted for a while, be it of one user or of all."""
        return self.since is not None and now - self.since >= _LASTING

    def is_outage(self, now: float) -> bool:
        """The same, for three different users at least."""
        return self.is_general and self.has_lasted(now)
