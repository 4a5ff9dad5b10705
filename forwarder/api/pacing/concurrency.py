"""How many POSTs at once: fewer after many users' 5xx and silence, more again with every good answer. Pure.

The limit halves on trouble and grows back as TCP's congestion window does: doubling in a round while it is below the
threshold, then by one a round. With 64 in flight and one halving: 32, then 33, 34, … after each round of POSTs.
"""

from heapq import nlargest

from forwarder.api.evidence import ENOUGH_USERS, mark

#: The limit falls only while more than this part of the recent answers are trouble: less is a few users' own trouble.
#: If 4 of 100 recent answers are 503s, the limit stays; if 6 are, to three users, it halves. One user's trouble counts
#: no more than the third most troubled user's, so that no two users can lower the limit. If two users have 15 each, and
#: two others one each, that counts as 4.
_TROUBLED = 0.05
#: After this many answers the earlier ones count half, so that "recent" means a few hundred POSTs.
_MEMORY = 200
#: A user with fewer troubles than this is forgotten: one trouble counts 1/2, then 1/4, then no more.
_FORGOTTEN = 0.25


class Concurrency:
    """The limit now, between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self.limit = float(most)
        #: Below it the limit doubles in a round, above it it grows by one (TCP's slow start threshold).
        self._threshold = float(most)
        self._decreased = float("-inf")
        self._answers = 0.0
        #: Recent troubles of each user.
        self._troubles: dict[int, float] = {}

    def accepted(self) -> None:
        """A POST was answered well."""
        self._remember()
        step = 1.0 if self.limit < self._threshold else 1.0 / self.limit
        self.limit = min(self._most, self.limit + step)

    def failed(self, user: str, *, trouble: bool, started: float, now: float) -> None:
        """A POST was not answered well.

        Args:
            user: who the POST was for.
            trouble: it met a 5xx or silence; otherwise the API asked for fewer POSTs, which lowers the rate instead.
            started: when the POST started.
            now: on the same clock.
        """
        self._remember()
        if trouble:
            self._troubles[mark(user)] = self._troubles.get(mark(user), 0.0) + 1
        # POSTs of one round fail together: only one that started after the last decrease is news.
        # From one probe at a time there is nowhere to fall, and the threshold of better times is worth keeping.
        if trouble and started > self._decreased and self.limit > 1 and self._is_troubled:
            self._decreased = now
            self._threshold = max(1.0, self.limit / 2)
            self.limit = self._threshold

    def collapse(self) -> None:
        """The API answers nobody: one probe at a time."""
        self.limit = 1.0

    @property
    def _is_troubled(self) -> bool:
        worst = nlargest(ENOUGH_USERS, self._troubles.values())
        if len(worst) < ENOUGH_USERS:
            return False
        return sum(min(troubles, worst[-1]) for troubles in self._troubles.values()) > _TROUBLED * self._answers

    def _remember(self) -> None:
        if self._answers >= _MEMORY:
            self._answers /= 2
            halves = {user: troubles / 2 for user, troubles in self._troubles.items()}
            self._troubles = {user: troubles for user, troubles in halves.items() if troubles >= _FORGOTTEN}
        self._answers += 1
