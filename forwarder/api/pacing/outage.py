"""Whether the API answers anybody, and when to probe it. Pure.

An outage begins when three different users failed and nobody was answered well in between. Then one probe goes out at
a time. With the defaults the pauses between probes are 0.5 s, 1 s, 2 s, … up to 60 s. The first good answer ends it.
"""

from forwarder.api.evidence import Evidence

#: 429s count as an outage once no POST was answered well for this many seconds. Until then the API is at work.
_PUSHBACK = 5.0
#: The pause doubles at most this often; beyond it a float would overflow.
_DOUBLINGS = 60


class Outage:
    """What the last answers say about the API as a whole.

    Args:
        initial_pause: seconds after the first failure that looks like an outage.
        longest_pause: seconds between two probes of a long outage.
        now: seconds, monotonic, as all other times here.
    """

    def __init__(self, *, initial_pause: float, longest_pause: float, now: float) -> None:
        self._initial_pause = initial_pause
        self._longest_pause = longest_pause
        self._failing: Evidence[None] = Evidence()
        self._last_good = now
        self._rounds = 0
        #: No POST starts before this moment.
        self.paused_until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the API answers nobody now, as far as is known."""
        return self._rounds > 0

    def accepted(self, now: float) -> None:
        """A POST was answered well: the outage is over, if there was one."""
        self.paused_until = 0.0
        self._last_good = now
        self._failing.clear()
        self._rounds = 0

    def probe(self, now: float) -> None:
        """A person wants the next probe now. If it fails, the next pause is as long as it would have been."""
        self.paused_until = min(self.paused_until, now)

    def failed(self, user: str) -> None:
        """A POST was not answered well."""
        self._failing.add(user, None)

    def deepens(self, *, trouble: bool, started: float, now: float) -> bool:
        """Whether the POST that failed last shows that the API answers nobody; then the next pause begins.

        A POST that had started before the pause says nothing new: it failed with those that caused the pause.
        """
        silent = trouble or now - self._last_good > _PUSHBACK
        if not silent or not self._failing.enough or started < self.paused_until:
            return False
        self._rounds += 1
        doubled = self._initial_pause * 2.0 ** min(self._rounds - 1, _DOUBLINGS)
        self.paused_until = now + min(self._longest_pause, doubled)
        return True
