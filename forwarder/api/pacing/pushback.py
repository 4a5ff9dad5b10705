"""Whether 429s mean everybody, and until when nobody may POST. Pure.

A 429 with `Retry-After: 600` to one user holds that user alone, by its own backoff. When three different users were
pushed back and nobody was accepted in between, everybody waits.
Example: u-1 is asked to wait 600 s, u-2 30 s and u-3 45 s: nobody POSTs for 30 s.
"""

from forwarder.api.evidence import Evidence

#: Everybody is held for at most this many seconds: the shortest of three times may still be meant for three users.
_LONGEST_HOLD = 60.0
#: The rate is lowered only when three users were pushed back within this many seconds, however many were accepted in
#: between. At a rate that is just right there is about one 429 every ten seconds.
_RECENT = 60.0


class Pushback:
    """What the last 429s say about the API as a whole."""

    def __init__(self) -> None:
        self._asked: Evidence[float] = Evidence()
        self._moments: Evidence[float] = Evidence()
        #: No POST starts before this moment. Earlier POSTs that are accepted do not shorten it.
        self.held_until = 0.0

    def accepted(self) -> None:
        """A POST was accepted."""
        self._asked.clear()

    def pushed_back(self, user: str, retry_after: float, now: float) -> bool:
        """A POST was answered 429. Returns whether that says something about the API, not only about this user.

        Args:
            user: who the POST was for.
            retry_after: seconds that the answer asks to wait.
            now: seconds, monotonic.
        """
        self._asked.add(user, retry_after)
        self._moments.add(user, now)
        if self._asked.enough:
            self.held_until = max(self.held_until, now + min(_LONGEST_HOLD, *self._asked.latest))
        return self._moments.enough and now - min(self._moments.latest) <= _RECENT
