"""Gets a batch decided. Every event ends in exactly one outcome."""

from dataclasses import replace
from typing import assert_never

from forwarder.api.pacing.permits import Permit
from forwarder.api.verdict import Accept, Bisect, Refuse, Retry
from forwarder.event import name_of
from forwarder.metrics import Metrics
from forwarder.outcome import Accepted, Deferred, Halt, LetterReason, Refused
from forwarder.pipeline.attempts import Attempts
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.gate import Gate, Halted
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock


class Delivery:
    """Delivers batches for one owner of a list. The caller promises that each user has at most one batch here.

    Args:
        bisect: whether a batch that was refused as malformed is halved, to find the bad event. One that is too large
            always is.
    """

    def __init__(
        self, attempts: Attempts, stock: Stock, settler: Settler, gate: Gate, metrics: Metrics, *, bisect: bool
    ) -> None:
        self._attempts = attempts
        self._stock = stock
        self._settler = settler
        self._gate = gate
        self._metrics = metrics
        self._bisect = bisect

    async def deliver(self, batch: Batch, permit: Permit) -> None:
        """Sends a batch until each of its events is decided, or until the gate is closed. The rest is then deferred.

        A refused batch is halved, and the older half goes first, so that the user's order holds. Example: of the events
        a, b, c and d, the API refuses c. Five POSTs decide them: abcd is refused, ab is accepted, cd is refused, c is
        refused and becomes a dead letter, d is accepted.
        """
        undecided = [batch]
        accepted: set[str | None] = set()
        first: Permit | None = permit
        try:
            while undecided and not self._gate.closed.done():
                part = undecided[-1]
                if first is None and self._stock.is_too_large(part):
                    undecided[-1:] = reversed(part.halves())
                    continue
                verdict = await self._attempts.verdict(part, first)
                first = None
                match verdict:
                    case Accept():
                        self._settler.add(undecided.pop().events, Accepted())
                        if undecided:  # so the batch was halved: it is worth a few microseconds for each event
                            accepted.update([name_of(event.body) for event in part.events])
                    case Bisect(refusal) if len(part.events) > 1 and self._divisible(refusal):
                        self._metrics.bisections.inc()
                        undecided[-1:] = reversed(part.halves())
                    case Bisect(refusal) | Refuse(refusal):
                        events = undecided.pop().events
                        known = bool(accepted) and bool(accepted - {name_of(event.body) for event in events})
                        self._settler.add(events, replace(refusal, others_accepted=known))
                    case Halt():
                        self._gate.close(Halted(verdict))
                    case Retry():  # only after the gate was closed
                        return
                    case _:
                        assert_never(verdict)
        finally:
            for part in undecided:
                self._settler.add(part.events, Deferred())

    def _divisible(self, refusal: Refused) -> bool:
        return self._bisect or refusal.reason is LetterReason.TOO_LARGE
