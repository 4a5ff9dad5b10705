"""How many POSTs at once and how fast: permits.

Both limits fall when the API is not well and rise again bit by bit, under the configured ceilings: how many at
once by 5xx and silence, how fast by 429, neither by how long an answer takes. While nobody at all is answered,
one probe at a time goes out, at intervals that double up to the longest backoff.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from forwarder.api.pacing.rate import Rate
from forwarder.retry import ceiling

#: Different users that must fail in a row, nobody being served between them, before it is an outage and not
#: those users' own trouble.
_OUTAGE_USERS = 3
#: Seconds of nothing but 429 after which that is an outage too.
_PUSHBACK_OUTAGE = 5.0
#: The part of the answers that must be trouble to lower how many go at once: a few users' own trouble is less.
_TROUBLED = 0.05
#: Answers after which those before count half.
_MEMORY = 200
#: The part of the places in flight that those tried again may have while new ones wait: a POST that times out has its
#: place a hundred times as long as one that is accepted, and the first POSTs of users who fail take some too.
_PLACES_AGAIN = 4
#: Seconds by which a late permit may be made up for; the rate is lowered by as much, so that no window of one
#: second ever sees more POSTs than the limit.
_CATCH_UP = 1 / 60


class Signal(Enum):
    """What one POST says about the health of the API."""

    GOOD = auto()
    PUSHBACK = auto()
    TROUBLE = auto()


@dataclass(slots=True)
class Permit:
    """The right to send one POST, given back by :meth:`Pacer.returned` or :meth:`Pacer.unused`, whichever is first."""

    since: float
    again: bool = False
    held: bool = True


class Pacer:
    """Grants permits in the order they are asked for; but new batches and those tried again take turns.

    So the retries of many failing users leave half of the permits to the others, and most places in flight; and
    while new batches wait, it is theirs to tell how the API is: a user that fails again is no news.

    Args:
        concurrency: most POSTs in flight.
        rate: most POSTs started in any second; 0 is no limit.
        longest_pause: seconds between two probes of a long outage.
        initial_pause: seconds after the first failure that looks like an outage.
        clock: seconds, monotonic; the event loop's.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        rate: float,
        initial_pause: float,
        longest_pause: float,
        clock: Callable[[], float],
    ) -> None:
        self._concurrency = concurrency
        self._rate = Rate(rate, clock())
        self._share = 1.0
        self._initial_pause = initial_pause
        self._longest_pause = longest_pause
        self._clock = clock
        self._new: deque[asyncio.Future[Permit]] = deque()
        self._again: deque[asyncio.Future[Permit]] = deque()
        self._line_in_turn = self._new
        self._in_flight_again = 0
        self._timer: asyncio.TimerHandle | None = None
        self._in_flight = 0
        #: Nobody sends before these: the pause of an outage, and what a Retry-After asked for.
        self._paused_until = self._held_until = 0.0
        self._next_start = 0.0
        self.limit = float(concurrency)
        #: Below it the limit doubles in a round, above it it grows by one (TCP's slow start threshold).
        self._threshold = float(concurrency)
        self._decreased = float("-inf")
        self._answers = self._troubles = 0.0
        self._failing: set[str] = set()
        self._last_failing = ""
        self._rounds = 0
        self._last_good = clock()

    @property
    def rate(self) -> float:
        """Most POSTs started in a second now; 0 is no limit."""
        return self._rate.value

    @property
    def in_flight(self) -> int:
        """POSTs under way now."""
        return self._in_flight

    def share(self, part: float) -> None:
        """From now on the rate is this part of the whole fleet's; at first it is all of it."""
        self._rate.scale(part / self._share)
        self._share = part

    async def permit(self, *, again: bool = False) -> Permit:
        """Waits until a POST may start. Cancelling gives the place in the line back."""
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        (self._again if again else self._new).append(waiter)
        self._grant()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.unused(waiter.result())
            raise

    def unused(self, permit: Permit) -> None:
        """Gives a permit back, if it is still held, without a word about the API."""
        if permit.held:
            permit.held = False
            self._in_flight -= 1
            self._in_flight_again -= permit.again
            self._grant()

    def returned(self, permit: Permit, user: str, signal: Signal, retry_after: float | None = None) -> None:
        """Gives a permit back and tells what its POST met; `retry_after` seconds hold everyone on a pushback."""
        if signal is Signal.GOOD:
            self._good()
        else:
            self._bad(permit, user, signal, retry_after or 0.0)
        self.unused(permit)

    def _good(self) -> None:
        self._paused_until = 0.0
        self._last_good = self._clock()
        self._remember(trouble=False)
        self._failing.clear()
        self._rounds = 0
        step = 1.0 if self.limit < self._threshold else 1.0 / self.limit
        self.limit = min(float(self._concurrency), self.limit + step)
        self._rate.accepted(self._last_good)

    def _bad(self, permit: Permit, user: str, signal: Signal, retry_after: float) -> None:
        now = self._clock()
        if signal is Signal.PUSHBACK:
            self._held_until = max(self._held_until, now + retry_after)
            self._rate.pushed_back(now, permit.since)
        if permit.again and self._new:
            return
        # One user that keeps failing says nothing about the API, once the others have shown it works.
        news = user != self._last_failing or bool(self._failing - {user})
        self._last_failing = user
        if len(self._failing) < _OUTAGE_USERS:
            self._failing.add(user)
        self._remember(trouble=signal is Signal.TROUBLE)
        news = news and self._troubles > _TROUBLED * self._answers
        # POSTs of one round fail together: only one that started after the last decrease is news.
        # From one probe at a time there is nowhere to fall, and the threshold of better times is worth keeping.
        if signal is Signal.TROUBLE and news and permit.since > self._decreased and self.limit > 1:
            self._decreased = now
            self._threshold = max(1.0, self.limit / 2)
            self.limit = self._threshold
        # An API that pushes back is at work, unless it does nothing else for a while.
        silent = signal is Signal.TROUBLE or now - self._last_good > _PUSHBACK_OUTAGE
        if silent and len(self._failing) >= _OUTAGE_USERS and permit.since >= self._paused_until:
            self._rounds += 1
            self.limit = 1.0
            self._paused_until = now + ceiling(self._rounds, initial=self._initial_pause, maximum=self._longest_pause)

    def _remember(self, *, trouble: bool) -> None:
        if self._answers >= _MEMORY:
            self._answers, self._troubles = self._answers / 2, self._troubles / 2
        self._answers += 1
        self._troubles += trouble

    def _grant(self) -> None:
        """Grants what may be granted now, and sets a timer for what time alone holds up."""
        now = self._clock()
        while self._in_flight < int(self.limit) and (line := self._line()):
            if line[0].done():  # cancelled while it waited
                line.popleft()
                continue
            start = max(self._paused_until, self._held_until, self._next_start)
            if start > now:
                self._wake_at(start)
                return
            if self.rate:
                interval = 1.0 / (self.rate * (1 - _CATCH_UP))
                self._next_start = max(self._next_start, now - _CATCH_UP) + interval
            self._in_flight += 1
            self._in_flight_again += line is self._again
            line.popleft().set_result(Permit(now, again=line is self._again))
            self._line_in_turn = self._new if line is self._again else self._again

    def _line(self) -> deque[asyncio.Future[Permit]]:
        """Whose turn it is, of those who wait; empty if nobody does."""
        new, again = self._new, self._again
        if not (new and again):
            return new or again
        # In an outage new ones first: if it is not everybody's, theirs are the users that may be served.
        crowded = self._rounds or self._in_flight_again >= max(1, int(self.limit) // _PLACES_AGAIN)
        return new if crowded else self._line_in_turn

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, moment - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._grant)
