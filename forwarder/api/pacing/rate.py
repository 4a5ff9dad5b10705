"""How many POSTs per second the API takes: lowered by what it pushes back, raised again step by step. Pure.

The API asks for a rate, but the rate that it really takes is hidden and may change. A limit per second refuses
everything above it until that second is over. So when much is refused, what was accepted in the last second is the
best guess. When little is refused, and the rate was used at all, the guess is what was answered. From a little below
the guess the rate grows slowly, which costs few refusals; once it has passed the guess without harm it grows faster.

Example: the limit is 100 and the API takes 60. In the first second 60 POSTs are accepted and 40 are refused: the guess
is 60, the rate becomes 57, reaches 60 about three seconds later, and then costs about one refusal a second.

Few refusals at a rate that has been seen to work are noise, perhaps one user's own limit. They count little;
otherwise chance alone would push the rate down without end. Where nothing at all was accepted there is nothing to
guess from: the rate is halved, and once something is accepted it doubles every second until it is near the old guess.
"""

from collections import deque

#: Seconds for which the API's own limit may keep refusing after its first refusal.
_BUCKET = 1.0
#: Refusals in a second are many if there are more than this part of what was accepted, plus this number.
#: With 100 accepted: 5 refusals are few, 6 are many.
_MANY, _SOME = 0.03, 2
#: The rate counts as used if at least this part of it was accepted in the last second.
_USED = 0.9
#: A second with few refusals lowers a guess that has been seen to work by this part.
_DOUBT = 0.003
#: The rate starts again at this part of what the API was seen to take.
_BELOW = 0.95
#: The guess is never less than this part of the rate: one quiet second proves nothing.
_FALL = 0.5
#: The rate grows slowly until it exceeds the guess by this factor.
_BEYOND = 1.03
#: Growth per second while the rate is close to the guess.
_CREEP = 0.02
#: Largest growth per second when the rate is far above the guess.
_HURRY = 0.3
#: Without a configured ceiling, a rate this many times what is sent limits nothing and is dropped.
_FREE = 4.0


class Rate:
    """The rate now, in POSTs per second; 0 means no limit.

    Args:
        ceiling: the configured rate, which is never exceeded; 0 means no limit.
        now: seconds, monotonic, as all other times here.
    """

    def __init__(self, ceiling: float, now: float) -> None:
        #: What this process may use of the configured rate. Only what the API refuses lowers the value below it.
        self.ceiling = ceiling
        self.value = ceiling
        self._guess = 0.0
        self._lowered = self._weighed = float("-inf")
        self._raised = now
        self._accepted: deque[float] = deque()
        self._refused: deque[float] = deque()

    def bound(self, ceiling: float) -> None:
        """From now on this process may use this part of the fleet's rate. What it has learnt grows or falls with it.

        Example: of 40 POSTs/s that it may use, the API takes 30. If it may use 20, the API takes 15 of it.
        Without a limit nothing changes, and so does 0: nothing may be sent then.
        """
        if ceiling and self.ceiling:
            factor = ceiling / self.ceiling
            self.value = ceiling if self.value == self.ceiling else self.value * factor
            self._guess *= factor
            self.ceiling = ceiling

    def accepted(self, now: float) -> None:
        """A POST was answered in time and was not pushed back, whether or not its events were accepted."""
        self._accepted.append(now)
        self._recent(now)
        if self.value != self.ceiling:
            self._raise(now)

    def pushed_back(self, now: float, started: float) -> None:
        """A POST was answered 429. `started`: when it was sent, on the clock of `now`."""
        recent = self._recent(now)
        self._refused.append(now)
        refused = _lately(self._refused, now)
        if started <= self._lowered or now - self._lowered < _BUCKET:
            return
        rate = self.value or max(recent, 1.0)
        if not recent:
            self._lower(now, max(self._guess, rate), _FALL * rate)
        elif refused > _MANY * recent + _SOME:
            guess = min(rate, max(recent, _FALL * rate))
            self._lower(now, guess, _BELOW * guess)
        elif now - self._weighed >= _BUCKET:
            self._weighed = now
            if self.value < self._guess:
                self._guess = max(self.value, self._guess * (1 - _DOUBT))
            elif self.value and recent > _USED * rate:
                guess = min(rate, recent + refused - 1)
                self._lower(now, guess, _BELOW * guess)

    def _lower(self, now: float, guess: float, value: float) -> None:
        self._lowered = self._raised = now
        self._guess = guess
        self.value = max(min(1.0, self.ceiling or 1.0), value)

    def _raise(self, now: float) -> None:
        seconds, self._raised = min(now - self._raised, 1.0), now
        above = self.value / self._guess
        near = _BELOW * self._guess
        if self.value < near:
            self.value = min(near, self.value * (1 + seconds))
        else:
            self.value *= 1 + seconds * (_CREEP if above < _BEYOND else min(_HURRY, above - 1))
        if self.ceiling:
            self.value = min(self.value, self.ceiling)
        elif self.value > _FREE * max(self._recent(now), 1.0) and above > _FREE:
            self.value = 0.0

    def _recent(self, now: float) -> int:
        """POSTs accepted in the last second."""
        return _lately(self._accepted, now)


def _lately(moments: deque[float], now: float) -> int:
    """How many of these moments were in the last second. Forgets the others."""
    while moments and moments[0] <= now - 1.0:
        moments.popleft()
    return len(moments)
