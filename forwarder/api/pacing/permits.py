"""Which POST may start now.

Two limits fall when the API has trouble and rise again step by step, up to the configured ceilings: 5xx and silence
lower how many POSTs go at once (`concurrency`), 429 lowers how many go per second (`rate`). How long an answer takes
lowers neither. While the API answers nobody (`outage`), one probe goes out at a time. When 429s ask everybody to wait
(`pushback`), nothing goes out. None of this follows from what one user or two users are answered. The rate is this
process's part of the fleet's (`grant`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from forwarder.api.pacing.backoffs import Backoffs
from forwarder.api.pacing.concurrency import Concurrency
from forwarder.api.pacing.grant import Demand, Grant
from forwarder.api.pacing.outage import Outage
from forwarder.api.pacing.pushback import Pushback
from forwarder.api.pacing.rate import Rate
from forwarder.api.pacing.silence import Silences
from forwarder.api.pacing.window import Window
from forwarder.queue.about import Silence

#: While new batches wait, retries may use at most 1/4 of the places in flight: a POST that times out holds its place a
#: hundred times as long as one that is accepted, and the first POSTs of failing users take some places too.
_PLACES_AGAIN = 4
#: While new batches wait, nine of them start before each part of a batch that was halved, once the part before it is
#: decided. A user whose every event is refused needs two POSTs for each; without this, it would take half of the rate
#: where the API answers at once, and two such users two thirds.
_NEW_BEFORE_A_PART = 9


class Signal(Enum):
    """What one POST says about the health of the API."""

    #: Accepted.
    GOOD = auto()
    #: Not accepted, but answered in time: the API is well, and the events may not be.
    REFUSED = auto()
    #: Answered in time as well, but the events must be sent again: nobody knows yet what is wrong.
    UNDECIDED = auto()
    PUSHBACK = auto()
    TROUBLE = auto()


@dataclass(slots=True)
class Permit:
    """The right to send one POST, given back by :meth:`Pacer.returned` or :meth:`Pacer.unused`, whichever is first."""

    since: float
    again: bool = False
    held: bool = True


class Pacer:
    """Grants permits in the order in which they are requested, except that new batches and retries take turns.

    So the retries of many failing users leave half of the permits, and most places in flight, to the others. While
    new batches wait, a retry that fails says nothing about the API: the new batches do. The parts of a halved batch
    go before new batches, but each of them only after nine of these.

    Args:
        concurrency: most POSTs in flight.
        rate: POSTs per second; 0 means no limit. No second sees more than this plus one.
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
        now = clock()
        self._concurrency = Concurrency(concurrency)
        self._outage = Outage(initial_pause=initial_pause, longest_pause=longest_pause, now=now)
        self._pushback = Pushback()
        self.silences = Silences()
        #: Where batches back off. They end with an outage, and when a person asks for it.
        self.backoffs = Backoffs(clock)
        self._rate = Rate(rate, now)
        self._allotted = Grant(rate, now)
        self._window = Window()
        self._clock = clock
        self._new: deque[asyncio.Future[Permit]] = deque()
        self._again: deque[asyncio.Future[Permit]] = deque()
        self._parts: deque[asyncio.Future[Permit]] = deque()
        #: For each in the line of parts, how many new batches have started before it may go.
        self._due: deque[int] = deque()
        self._new_started = 0
        self._is_agains_turn = False
        self._in_flight_again = 0
        self._timer: asyncio.TimerHandle | None = None
        #: POSTs under way now.
        self.in_flight = 0
        #: Whether the rate alone has delayed the next POST.
        self._is_delayed = False
        #: When the last POST that the rate delayed has started. Example: three POSTs are due at 0, 8 and 16 ms, and the
        #: event loop wakes at 20 ms. All three start then, and all three were delayed.
        self._woke = -inf

    @property
    def limit(self) -> float:
        """How many POSTs may be in flight now; the whole part counts."""
        return self._concurrency.limit

    @property
    def rate(self) -> float:
        """Most POSTs that may start in a second now; 0 means no limit."""
        return self._rate.value

    @property
    def part(self) -> float:
        """This process's part of the fleet's rate: the rate, if the API refuses nothing; 0 means no limit."""
        return self._rate.ceiling

    def granted(self, value: float, until: float) -> None:
        """From now on this process may use this many of the fleet's POSTs per second, and none from `until` on."""
        now = self._clock()
        self._rate.bound(value)
        self._allotted.receive(value, until, now)
        self._grant()

    def demand(self) -> Demand:
        """What to report to the fleet."""
        return self._allotted.demand(self._clock(), rate=self._rate.value, waiting=self._is_delayed)

    def silence(self, now: float) -> Silence | None:
        """Since when the API has accepted and refused nothing; None if the latest POST was answered well."""
        since = self.silences.since
        if since is None:
            return None
        return Silence(
            seconds=now - since,
            cause=self.silences.cause,
            next_try=self._next_try(now),
            outage=self.silences.is_outage(now),
        )

    def _next_try(self, now: float) -> float | None:
        """Seconds until the next POST may start; 0 while one is under way, None if that is not known."""
        if self.in_flight:
            return 0.0
        is_wanted_at = now if self._new or self._again or self._parts else self.backoffs.next_end
        is_granted = not self._rate.value or self._allotted.value(now)
        if is_wanted_at == inf or not is_granted:
            return None
        return max(0.0, is_wanted_at - now, self._outage.paused_until - now, self._pushback.held_until - now)

    async def permit(self, *, again: bool = False, part: bool = False) -> Permit:
        """Waits until a POST may start. Cancelling it gives up the place in the line.

        Args:
            again: whether it retries a batch.
            part: whether it is for a part of a batch that was halved, for the first time.
        """
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        if part:
            self._due.append(self._new_started + _NEW_BEFORE_A_PART)
        (self._again if again else self._parts if part else self._new).append(waiter)
        self._grant()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.unused(waiter.result())
            raise

    def unused(self, permit: Permit) -> None:
        """Gives a permit back, if it is still held. Says nothing about the API."""
        if permit.held:
            permit.held = False
            self.in_flight -= 1
            self._in_flight_again -= permit.again
            self._grant()

    def returned(
        self, permit: Permit, user: str, signal: Signal, retry_after: float | None = None, *, cause: str = ""
    ) -> None:
        """Gives a permit back and reports the answer.

        Args:
            permit: that of the POST.
            user: who the POST was for.
            signal: what the answer says about the API.
            retry_after: seconds that the answer asks to wait, if it does.
            cause: why the POST was not accepted: a status, or the reason why there was no answer.
        """
        now = self._clock()
        if signal is Signal.GOOD:
            self._pushback.accepted()
        if signal in (Signal.GOOD, Signal.REFUSED):
            self._answered(now)
        else:
            self.silences.failed(user, cause, permit.since)
        if signal in (Signal.PUSHBACK, Signal.TROUBLE):
            self._bad(permit, user, signal, retry_after or 0.0)
        else:
            self._good()
        self.unused(permit)

    def try_now(self) -> int:
        """A person asks for it: ends the pause of an outage, every `Retry-After` and every backoff.

        While the API answers nobody, or asks everybody to wait, one POST goes first, and the others follow step by
        step if it is answered well. If it fails, the pauses go on. Returns how many batches had backed off.
        """
        now = self._clock()
        if self._outage.is_on or self._pushback.held_until > now:
            self._concurrency.collapse()
        self._outage.probe(now)
        self._pushback.held_until = min(self._pushback.held_until, now)
        ended = self.backoffs.end_all()
        self._grant()
        return ended

    def _answered(self, now: float) -> None:
        """The API has decided something: those who failed while it did not need not wait any longer."""
        if self.silences.since is not None and self.silences.has_lasted(now):
            self.backoffs.end_since(self.silences.since)
        self.silences.answered(now)

    def _good(self) -> None:
        now = self._clock()
        self._outage.accepted(now)
        self._concurrency.accepted()
        self._rate.accepted(now)

    def _bad(self, permit: Permit, user: str, signal: Signal, retry_after: float) -> None:
        now, trouble = self._clock(), signal is Signal.TROUBLE
        if signal is Signal.PUSHBACK and self._pushback.pushed_back(user, retry_after, now):
            self._rate.pushed_back(now, permit.since)
        if permit.again and self._new:
            return
        self._outage.failed(user)
        self._concurrency.failed(user, trouble=trouble, started=permit.since, now=now)
        if self._outage.deepens(trouble=trouble, started=permit.since, now=now):
            self._concurrency.collapse()

    def _grant(self) -> None:
        """Grants what may be granted now, and sets a timer for what time alone holds up."""
        now = self._clock()
        while self.in_flight < int(self._concurrency.limit) and (line := self._line()):
            if line[0].done():  # cancelled while it waited
                self._next(line)
                continue
            if (start := self._opens(now)) > now:
                self._wake_at(start)
                break
            self._count(now, start)
            self.in_flight += 1
            self._in_flight_again += line is self._again
            self._new_started += line is self._new
            self._next(line).set_result(Permit(now, again=line is self._again))
            self._is_agains_turn = line is not self._again
        else:
            self._is_delayed = False

    def _opens(self, now: float) -> float:
        """The earliest moment at which the next POST may start; infinity while nothing is granted."""
        paced, others = -inf, max(self._outage.paused_until, self._pushback.held_until)
        if rate := self._rate.value:
            paced = self._window.opens(rate) if self._allotted.value(now) else inf
        self._is_delayed |= paced > max(now, others)
        return max(paced, others)

    def _count(self, now: float, opened: float) -> None:
        if rate := self._rate.value:
            if self._is_delayed:
                self._woke = now
            self._window.started(now, rate)
            self._allotted.started(waited=-inf < opened <= self._woke)
        self._is_delayed = False

    def _next(self, line: deque[asyncio.Future[Permit]]) -> asyncio.Future[Permit]:
        if line is self._parts:
            self._due.popleft()
        return line.popleft()

    def _line(self) -> deque[asyncio.Future[Permit]]:
        """The line whose turn it is; empty if nobody waits."""
        is_due = self._parts and (not self._new or self._new_started >= self._due[0])
        new, again = self._parts if is_due else self._new, self._again
        if not (new and again):
            return new or again
        # In an outage new batches go first: if it affects only some users, the others are among the new ones.
        crowded = self._outage.is_on or self._in_flight_again >= max(1, int(self.limit) // _PLACES_AGAIN)
        return again if self._is_agains_turn and not crowded else new

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if moment == inf:  # until something is granted
            return
        delay = max(0.0, moment - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._grant)
