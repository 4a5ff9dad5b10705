"""How many POSTs at once: fewer after 5xx and silence, more again with every good answer. Pure.

The limit halves on trouble and grows back as TCP's congestion window does: doubling in a round while it is below the
threshold, then by one a round. With 64 in flight and one halving: 32, then 33, 34, … after each round of POSTs.
"""

#: The limit falls only while more than this part of the recent answers are trouble: less is a few users' own trouble.
#: If 4 of 100 recent answers are 503s, the limit stays; if 6 are, it halves.
_TROUBLED = 0.05
#: After this many answers the earlier ones count half, so that "recent" means a few hundred POSTs.
_MEMORY = 200


class Concurrency:
    """The limit now, between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self.limit = float(most)
        #: Below it the limit doubles in a round, above it it grows by one (TCP's slow start threshold).
        self._threshold = float(most)
        self._decreased = float("-inf")
        self._answers = self._troubles = 0.0

    def accepted(self) -> None:
        """A POST was answered well."""
        self._remember(trouble=False)
        step = 1.0 if self.limit < self._threshold else 1.0 / self.limit
        self.limit = min(self._most, self.limit + step)

    def failed(self, *, trouble: bool, news: bool, started: float, now: float) -> None:
        """A POST was not answered well.

        Args:
            trouble: it met a 5xx or silence; otherwise the API asked for fewer POSTs, which lowers the rate instead.
            news: it says something about the API, not only about its user.
            started: when the POST started.
            now: on the same clock.
        """
        self._remember(trouble=trouble)
        # POSTs of one round fail together: only one that started after the last decrease is news.
        # From one probe at a time there is nowhere to fall, and the threshold of better times is worth keeping.
        if trouble and news and self._is_troubled and started > self._decreased and self.limit > 1:
            self._decreased = now
            self._threshold = max(1.0, self.limit / 2)
            self.limit = self._threshold

    def collapse(self) -> None:
        """The API answers nobody: one probe at a time."""
        self.limit = 1.0

    @property
    def _is_troubled(self) -> bool:
        return self._troubles > _TROUBLED * self._answers

    def _remember(self, *, trouble: bool) -> None:
        if self._answers >= _MEMORY:
            self._answers, self._troubles = self._answers / 2, self._troubles / 2
        self._answers += 1
        self._troubles += trouble
