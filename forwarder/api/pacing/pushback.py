"""Whether 429s mean everybody, and until when nobody may POST. Pure.

A 429 with `Retry-After: 600` to one user holds that user alone, by its own backoff. When three different users were
pushed back and nobody was accepted in between, everybody waits.
Example: u-1 is asked to wait 600 s, u-2 30 s and u-3 45 s: nobody POSTs for 30 s.
"""

from collections import Counter, deque
from heapq import nlargest

from forwarder.api.evidence import ENOUGH_USERS, Evidence, mark

#: Everybody is held for at most this many seconds: the shortest of three times may still be meant for three users.
_LONGEST_HOLD = 60.0
#: The rate is lowered only by 429s to users who got no more of them lately than the third most affected user, however
#: many POSTs were accepted in between. At a rate that is just right there is about one 429 every ten seconds.
#: Example: in the last minute u-1 and u-2 got fifty 429s each, and two others one each. Only the latter count.
_RECENT = 60.0
#: This many of the latest 429s are remembered.
_MOST_REMEMBERED = 300


class Pushback:
    """What the last 429s say about the API as a whole."""

    def __init__(self) -> None:
        self._asked: Evidence[float] = Evidence()
        #: The latest 429s: when, and to whom.
        self._latest: deque[tuple[float, int]] = deque()
        self._times: Counter[int] = Counter()
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
        if self._asked.enough:
            self.held_until = max(self.held_until, now + min(_LONGEST_HOLD, *self._asked.latest))
        return self._is_general(mark(user), now)

    def _is_general(self, user: int, now: float) -> bool:
        self._latest.append((now, user))
        self._times[user] += 1
        while self._latest[0][0] < now - _RECENT or len(self._latest) > _MOST_REMEMBERED:
            _, forgotten = self._latest.popleft()
            self._times[forgotten] -= 1
            if not self._times[forgotten]:
                del self._times[forgotten]
        worst = nlargest(ENOUGH_USERS, self._times.values())
        return len(worst) == ENOUGH_USERS and self._times[user] <= worst[-1]
