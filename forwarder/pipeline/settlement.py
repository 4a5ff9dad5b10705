"""Ends claims: the only code that acknowledges an event or makes it a dead letter."""

import asyncio
import time
from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple, assert_never

import structlog

from forwarder.event import Event, Invalid
from forwarder.metrics import Metrics
from forwarder.outcome import Accepted, Deferred, LetterReason, Outcome, Refused
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.brake import Brake, Window
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.loans import Loans
from forwarder.pipeline.pace import Pace
from forwarder.pipeline.stock import Stock
from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.queue.groups import OTHERS_ACCEPTED
from forwarder.retry import wait_at_most

#: One settlement has at most this many letters, because Redis writes them all at once, and does nothing else meanwhile.
_MOST_LETTERS = 1_000
#: Its letters have at most this many bytes together, unless there is only one. Redis copies 4 MiB in about 10 ms; a
#: thousand elements of 64 KiB, in 150 ms.
_LETTER_BYTES = 4 * 1024 * 1024

_number = attrgetter("number")

log = structlog.get_logger()


class _Refusal(NamedTuple):
    """One decision against events of one user, or against one element, and the letters that these become."""

    events: Sequence[Event]
    letters: list[NewLetter]


class Settler:
    """Collects outcomes and settles them in order, one settlement at a time.

    A refusal may wait for a verdict of the dead-letter brake. It stays claimed until :meth:`release`, and if the list
    goes to another owner before, that one sends it again. After a halt every refusal stays claimed.
    """

    def __init__(
        self,
        claims: Claims,
        gate: Gate,
        brake: Brake,
        stock: Stock,
        availability: Availability,
        pace: Pace,
        metrics: Metrics,
    ) -> None:
        self._claims = claims
        self._gate = gate
        self._brake = brake
        self._stock = stock
        self._availability = availability
        self._pace = pace
        self._metrics = metrics
        self._pending = Settlement()
        self._news = asyncio.Event()
        self._closed = asyncio.Event()
        #: Refusals that wait for a verdict, in the order in which they came. Their events still take up room.
        self._waiting: dict[Window, list[_Refusal]] = {window: [] for window in brake.windows}
        #: Refusals that an operator lets through, and that no window counts.
        self._allowed = 0
        self._loans = Loans()

    @property
    def oldest_stamp(self) -> int | None:
        """Stamp (microseconds) of the oldest claim that has unsettled events in this worker."""
        return self._loans.oldest_stamp

    def expect(self, numbers: Sequence[int], stamps: Sequence[int]) -> None:
        """These events are now in this worker. They are newer than all before them."""
        self._loans.add(numbers, stamps)

    def add(self, events: Sequence[Event], outcome: Outcome) -> None:
        """The outcome of these events. Deferred ones stay claimed."""
        match outcome:
            case Accepted():
                self._brake.answers.passed()
                # The stamp is Redis' time, which may be ahead of this machine's.
                self._metrics.claim_to_accept.observe(max(0.0, time.time() - events[0].stamp / 1e6))
                self._accept(events)
                self._added(events)
            case Refused():
                detail = outcome.detail + (OTHERS_ACCEPTED if outcome.others_accepted else "")
                why = (outcome.reason, outcome.status, detail)
                letters = [NewLetter(e.number, e.stamp, *why, e.user, outcome.attempts, len(e.body)) for e in events]
                self._refuse(self._brake.answers, _Refusal(events, letters))
            case Deferred():
                self._metrics.events_deferred.inc(len(events))
            case _:
                assert_never(outcome)

    def allow(self, refusals: int) -> None:
        """Lets this many refusals through. They become dead letters at once, and no window counts them."""
        self._allowed = refusals

    def decoded(self, valid: Sequence[Event], invalid: Sequence[Invalid]) -> None:
        """These elements were decoded, each list in the order of its numbers. The invalid ones become dead letters."""
        passed = 0
        for each in invalid:
            before = bisect(valid, each.number, key=_number)
            self._brake.elements.passed(before - passed)
            passed = before
            element = [Event(each.number, each.stamp, "", b"")]
            self._stock.hold(element)
            letter = NewLetter(each.number, each.stamp, LetterReason.INVALID, "", each.why, "", 0, each.size)
            self._refuse(self._brake.elements, _Refusal(element, [letter]))
        self._brake.elements.passed(len(valid) - passed)

    def _accept(self, events: Sequence[Event]) -> None:
        accepted = self._pending.accepted
        if len({event.stamp for event in events}) == 1:  # one claim, nearly always; this takes a third of the time
            accepted.setdefault(events[0].stamp, []).extend([event.number for event in events])
            return
        for event in events:
            accepted.setdefault(event.stamp, []).append(event.number)

    def _refuse(self, window: Window, refusal: _Refusal) -> None:
        halted = self._gate.halted
        if self._allowed and not halted:
            refusal = self._let_through(refusal)
        if not refusal.letters:
            return
        first = refusal.letters[0]
        must_wait = window.refused(
            first.user, first.detail.removesuffix(OTHERS_ACCEPTED), whole=len(refusal.letters) > 1
        )
        if must_wait or halted:
            self._waiting[window].append(refusal)
        else:
            self._bury(refusal)

    def _let_through(self, refusal: _Refusal) -> _Refusal:
        """Buries as much of it as a person has allowed. Returns the rest."""
        events, letters, most = refusal.events, refusal.letters, self._allowed
        self._allowed -= min(most, len(letters))
        self._bury(_Refusal(events[:most], [replace(letter, allowed=True) for letter in letters[:most]]))
        return _Refusal(events[most:], letters[most:])

    def release(self, window: Window) -> None:
        """What waits for a verdict about this window becomes dead letters."""
        waiting, self._waiting[window] = self._waiting[window], []
        for refusal in waiting:
            self._bury(refusal)

    def _bury(self, refusal: _Refusal) -> None:
        self._pending.letters.extend(refusal.letters)
        self._added(refusal.events)

    def _added(self, decided: Sequence[Event]) -> None:
        self._stock.decided(decided)
        self._news.set()

    def close(self) -> None:
        """No more outcomes will come. :meth:`run` settles those that it has, and returns. What waits stays claimed."""
        self._closed.set()
        for waiting in self._waiting.values():
            self._metrics.events_deferred.inc(sum(len(refusal.letters) for refusal in waiting))
            waiting.clear()
        self._news.set()

    async def run(self) -> None:
        """Settles until closed, as soon as there is an outcome and the pace allows it.

        Raises:
            LeaseLostError, RolledBackError: this ownership has ended. The next one adopts the events.
        """
        while self._pending or not self._closed.is_set():
            if not self._pending:
                self._news.clear()
                await self._news.wait()
                continue
            if pause := self._pace.pause():  # a settlement is a round trip, which many outcomes should share
                await wait_at_most(self._closed, pause)
            await self._settle()

    async def _settle(self) -> None:
        settlement = self._pending
        self._pending = Settlement(letters=_cut(settlement.letters))
        self._pace.begun()
        with self._gate.settling():
            await self._availability.until(lambda: self._claims.settle(settlement))
        self._count(settlement)

    def _count(self, settlement: Settlement) -> None:
        for numbers in settlement.accepted.values():
            self._metrics.events_accepted.inc(len(numbers))
            self._loans.end(numbers[0], len(numbers))
        for letter in settlement.letters:
            self._metrics.events_dead_lettered.labels(letter.reason).inc()
            self._loans.end(letter.number, 1)
            log.info(
                "event dead-lettered",
                reason=str(letter.reason),
                status=letter.status,
                detail=letter.detail,
                repeats=f"{letter.reason} {letter.status}".rstrip(),
            )


def _cut(letters: list[NewLetter]) -> list[NewLetter]:
    """Removes and returns the letters that the next settlement leaves to those after it."""
    size = 0
    for count, letter in enumerate(letters):
        size += letter.size
        if (size > _LETTER_BYTES and count) or count == _MOST_LETTERS:
            later = letters[count:]
            del letters[count:]
            return later
    return []
