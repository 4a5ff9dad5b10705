"""Ends claims: the only code that acknowledges an event or makes it a dead letter."""

import asyncio
from collections.abc import Sequence
from typing import assert_never

import structlog

from forwarder.event import Event, Invalid
from forwarder.metrics import Metrics
from forwarder.outcome import Accepted, Deferred, Halt, HaltReason, LetterReason, Outcome, Refused
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.brake import Brake
from forwarder.pipeline.gate import Gate, Halted
from forwarder.pipeline.loans import Loans
from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.retry import wait_at_most

#: Seconds that an outcome waits for others. A crash duplicates the accepted events that wait here, so this is short: at
#: 120 POSTs/s it covers six POSTs.
_LONGEST_WAIT = 0.05
#: This many outcomes are settled without waiting for others.
_MOST_OUTCOMES = 1_000
#: Letters of one settlement may have this many bytes together, or there is only one: Redis copies them at once, and
#: does nothing else meanwhile. 4 MiB take it about 10 ms; a thousand elements of 64 KiB would take 150 ms.
_LETTER_BYTES = 4 * 1024 * 1024

log = structlog.get_logger()


class Settler:
    """Collects outcomes and settles them in order, one settlement at a time.

    When the dead-letter brake trips, the gate is closed; the refusal that tripped it, and every later one, stays
    claimed.
    """

    def __init__(
        self,
        claims: Claims,
        gate: Gate,
        brake: Brake,
        availability: Availability,
        metrics: Metrics,
    ) -> None:
        self._claims = claims
        self._gate = gate
        self._brake = brake
        self._availability = availability
        self._metrics = metrics
        self._pending = Settlement()
        self._outcomes = 0
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._closed = False
        self._braked = False
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
                self._brake.accepted(len(events))
                self._accept(events)
                self._added(len(events))
            case Refused():
                for event in events:
                    self._refuse(event, outcome)
            case Deferred():
                self._metrics.events_deferred.inc(len(events))
            case _:
                assert_never(outcome)

    def invalid(self, found: Invalid) -> None:
        """This element is not an event: it becomes a dead letter. It was never sent, so the brake does not count it."""
        self._bury(NewLetter(found.number, found.stamp, LetterReason.INVALID, "", found.why, "", 0, found.size))

    def _accept(self, events: Sequence[Event]) -> None:
        accepted = self._pending.accepted
        if len({event.stamp for event in events}) == 1:  # one claim, nearly always; this takes a third of the time
            accepted.setdefault(events[0].stamp, []).extend([event.number for event in events])
            return
        for event in events:
            accepted.setdefault(event.stamp, []).append(event.number)

    def _refuse(self, event: Event, refused: Refused) -> None:
        if self._braked or self._brake.refused():
            if not self._braked:
                self._braked = True
                detail = f"most of the last decided events were refused, the last with: {refused.detail}"
                self._gate.close(Halted(Halt(HaltReason.DEAD_LETTER_BRAKE, detail)))
            self._metrics.events_deferred.inc()
            return
        answer = (refused.reason, refused.status, refused.detail)
        self._bury(NewLetter(event.number, event.stamp, *answer, event.user, refused.attempts, len(event.body)))

    def _bury(self, letter: NewLetter) -> None:
        self._pending.letters.append(letter)
        self._added(1)

    def _added(self, outcomes: int) -> None:
        self._outcomes += outcomes
        self._some.set()
        if self._outcomes >= _MOST_OUTCOMES:
            self._full.set()

    def close(self) -> None:
        """No more outcomes will come. :meth:`run` settles those that it has, and returns."""
        self._closed = True
        self._some.set()
        self._full.set()

    async def run(self) -> None:
        """Settles until closed.

        Raises:
            LeaseLostError, RolledBackError: this ownership has ended. The next one adopts the events.
        """
        while self._outcomes or not self._closed:
            await self._some.wait()
            if not self._closed:  # a settlement is a round trip, which many outcomes should share
                await wait_at_most(self._full, _LONGEST_WAIT)
            if self._outcomes:
                await self._settle()

    async def _settle(self) -> None:
        settlement = self._pending
        later = _cut(settlement.letters)
        self._pending, self._outcomes = Settlement(letters=later), len(later)
        if not self._closed and not later:
            self._some.clear()
            self._full.clear()
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
            log.warning(
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
        if size > _LETTER_BYTES and count:
            later = letters[count:]
            del letters[count:]
            return later
    return []
