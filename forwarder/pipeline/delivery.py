"""Getting a batch decided: attempts, backoff, bisecting. Every event ends in exactly one outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

import structlog

from forwarder.api.pacing.permits import Permit, Signal
from forwarder.api.verdict import Accept, Bisect, Halt, Refuse, Retry, Tries, Verdict
from forwarder.event import Event
from forwarder.metrics import status_label
from forwarder.outcome import (
    Accepted,
    Answer,
    Declined,
    Deferred,
    LetterReason,
    Meaning,
    Outcome,
    Refused,
    Registered,
    Unanswered,
)
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.parts import Parts

log = structlog.get_logger()


def _signal(answer: Answer) -> Signal:
    match answer:
        case Declined(status=429):
            return Signal.PUSHBACK
        case Declined(status=status, meaning=Meaning.TRANSIENT) if status >= 500:
            return Signal.TROUBLE
        case Unanswered():
            return Signal.TROUBLE
    return Signal.GOOD


class Delivery:
    """Delivers batches of one owner of a list; one batch per user at a time is the caller's promise.

    Args:
        decide: told the outcome of events, as soon as it is known and once for each.
        halt: told when nothing may be sent any more.
        backs_off: told of a batch that will be tried again; it may release it.
        recall: brings the bytes of a released batch back.
    """

    def __init__(
        self,
        parts: Parts,
        gate: Gate,
        *,
        decide: Callable[[Sequence[Event], Outcome], None],
        halt: Callable[[Halt], None],
        backs_off: Callable[[Batch], None],
        recall: Callable[[Batch], Awaitable[None]],
    ) -> None:
        self._api = parts.api
        self._judge = parts.judge
        self._pacer = parts.pacer
        self._backoff = parts.backoff
        self._metrics = parts.metrics
        self._chatter = parts.chatter
        #: Asked here: with thousands of POSTs a second, a line that is thrown away costs too.
        self._says_all = parts.settings.log_level == "debug"
        self._clock = parts.clock
        self._bisect = parts.settings.bisect
        self._gate = gate
        self._decide = decide
        self._halt = halt
        self._backs_off = backs_off
        self._recall = recall
        self._stopping = False
        self._posting: set[asyncio.Task[object] | None] = set()

    def stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Starts no further POST: what backs off or waits is deferred at once, what is in flight may finish."""
        self._stopping = True
        for task in tasks:
            if task not in self._posting:
                task.cancel()

    async def permit(self, *, again: bool = False) -> Permit:
        """The right to send one POST now, be it a new batch's or one's that is tried again."""
        while True:
            await self._gate.opened()
            permit = await self._pacer.permit(again=again)
            if self._gate.is_open():
                return permit
            self._pacer.unused(permit)

    async def deliver(self, batch: Batch, permit: Permit) -> None:
        """Sends a batch until each of its events is decided, or until :meth:`stop`; the rest is deferred.

        A refused batch is halved, left half first, so that the user's order holds.
        """
        undecided = [batch]
        first: Permit | None = permit
        try:
            while undecided and (first or not self._stopping):
                part = undecided[-1]
                verdict = await self._verdict(part, first)
                first = None
                match verdict:
                    case Accept():
                        self._decide(undecided.pop().events, Accepted())
                    case Bisect(refusal) if len(part.events) > 1 and self._divisible(refusal):
                        self._metrics.bisections.inc()
                        undecided[-1:] = reversed(part.halves())
                    case Bisect(refusal) | Refuse(refusal):
                        self._decide(undecided.pop().events, refusal)
                    case Halt():
                        self._halt(verdict)
                        return
                    case Retry():
                        return
                    case _:
                        assert_never(verdict)
        finally:
            for part in undecided:
                self._decide(part.events, Deferred())

    def _divisible(self, refusal: Refused) -> bool:
        return self._bisect or refusal.reason is LetterReason.TOO_LARGE

    async def _verdict(self, batch: Batch, first: Permit | None) -> Verdict:
        """Attempts until the verdict is not "again". Backing off holds no permit."""
        tries = self._judge.first_try()
        verdict = await self._post(batch, first or await self.permit(), tries)
        return await self._tried_again(batch, tries, verdict) if self._is_again(verdict) else verdict

    def _is_again(self, verdict: Verdict) -> bool:
        return isinstance(verdict, Retry) and not self._stopping

    async def _tried_again(self, batch: Batch, tries: Tries, verdict: Verdict) -> Verdict:
        async def attempt() -> Verdict:
            return await self._post(batch, await self._permit_again(batch), tries)

        def at_least(verdict: Verdict) -> float:
            return verdict.after if isinstance(verdict, Retry) else 0.0

        return await self._backoff.until(verdict, attempt, again=self._is_again, at_least=at_least)

    async def _permit_again(self, batch: Batch) -> Permit:
        """A permit, and then the batch's bytes: so no more is in memory than may be sent."""
        while True:
            permit = await self.permit(again=True)
            try:
                if batch.released:
                    await self._recall(batch)
                if self._gate.is_open():
                    return permit
            except BaseException:
                self._pacer.unused(permit)
                raise
            self._pacer.unused(permit)

    async def _post(self, batch: Batch, permit: Permit, tries: Tries) -> Verdict:
        task = asyncio.current_task()
        self._posting.add(task)
        started = self._clock()
        try:
            answer = await self._api.post(batch.user, [event.body for event in batch.events])
        except asyncio.CancelledError:
            self._metrics.posts_ambiguous.inc()
            self._pacer.unused(permit)
            raise
        finally:
            self._posting.discard(task)
        retry_after = answer.retry_after if isinstance(answer, Declined) else None
        self._pacer.returned(permit, batch.user, _signal(answer), retry_after)
        verdict = self._judge.judge(batch.user, answer, tries)
        self._record(batch.events, answer, verdict, self._clock() - started)
        if isinstance(verdict, Retry):
            self._backs_off(batch)
        return verdict

    def _record(self, events: Sequence[Event], answer: Answer, verdict: Verdict, seconds: float) -> None:
        self._metrics.post_duration.observe(seconds)
        self._metrics.post_events.observe(len(events))
        match answer:
            case Registered():
                self._metrics.posts_accepted.inc()
                if self._says_all:
                    log.debug("POST accepted", events=len(events), seconds=round(seconds, 3))
                return
            case Declined():
                said = status_label(answer.status)
            case Unanswered():
                said = answer.cause
                if answer.ambiguous:
                    self._metrics.posts_ambiguous.inc()
            case _:
                assert_never(answer)
        self._metrics.posts.labels(said).inc()
        if isinstance(verdict, Retry):
            self._metrics.retries.labels(said).inc()
        if self._chatter.is_news("POST not accepted", said):
            log.info(
                "POST not accepted",
                status=said,
                events=len(events),
                seconds=round(seconds, 3),
                verdict=type(verdict).__name__.lower(),
            )
