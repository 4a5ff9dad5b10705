"""One POST, one verdict: sends, gives the permit back, judges, counts and logs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

import structlog

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.body_limit import BodyLimit
from forwarder.api.client import Api
from forwarder.api.connections import connected
from forwarder.api.pacing.news import Begun, News, Over
from forwarder.api.pacing.permits import Pacer, Permit, Signal
from forwarder.api.request import batch_size
from forwarder.api.verdict import Judge, Retry, Tries, Verdict
from forwarder.metrics import Metrics, status_label

log = structlog.get_logger()


def _signal(answer: Answer, verdict: Verdict) -> Signal:
    """What an answer says about the health of the API: all is well but for 429, 5xx and silence."""
    match answer:
        case Declined(status=429):
            return Signal.PUSHBACK
        case Declined(status=status, meaning=Meaning.TRANSIENT) if status >= 500:
            return Signal.TROUBLE
        case Unanswered():
            return Signal.TROUBLE
        case Declined():
            return Signal.UNDECIDED if isinstance(verdict, Retry) else Signal.REFUSED
    return Signal.GOOD


def _label(answer: Answer) -> str:
    """The status of an answer, or why there is none; from a closed set, for metrics, the log and people."""
    return answer.cause if isinstance(answer, Unanswered) else status_label(answer.status)


class Courier:
    """Sends batches to the API, for all lists of a process.

    Args:
        debug: whether to log each accepted POST. This is decided once, because at thousands of POSTs a second even a
            discarded log line costs CPU.
    """

    def __init__(
        self, client: Api, judge: Judge, pacer: Pacer, body_limit: BodyLimit, metrics: Metrics, *, debug: bool
    ) -> None:
        self.pacer = pacer
        self.body_limit = body_limit
        self._client = client
        self._judge = judge
        self._metrics = metrics
        self._debug = debug
        self._clock: Callable[[], float] = judge.clock
        self._news = News()

    async def watch(self) -> None:
        """Logs when an outage begins and when it is over, for ever; and keeps the metric."""
        while True:
            self.look()
            await asyncio.sleep(1.0)

    def look(self) -> None:
        """Logs what is new about outages."""
        now = self._clock()
        match self._news.look(self.pacer.silences, now):
            case Begun(seconds, cause):
                silence = self.pacer.silence(now)
                next_try = silence.next_try if silence is not None else None
                log.warning(
                    "the API accepts nothing; retrying, one POST at a time. Nothing is lost.",
                    reason="outage",
                    status=cause,
                    for_seconds=round(seconds),
                    next_try_in_seconds=None if next_try is None else round(next_try),
                    remedy="Wait: it continues by itself. To try at once: `forwarder retry`",
                )
            case Over(seconds):
                log.warning("the API answers again: the outage is over", reason="outage", lasted_seconds=round(seconds))
        self._metrics.api_outage.set(self._news.is_outage)

    async def permit(self, *, again: bool, part: bool) -> Permit:
        """Waits until a POST may start. `again`: it retries a batch. `part`: it is for a part of a halved one."""
        return await self.pacer.permit(again=again, part=part)

    def unused(self, permit: Permit) -> None:
        """Gives a permit back, unless its POST has done so."""
        self.pacer.unused(permit)

    def first_try(self) -> Tries:
        """The record of a batch that is about to be sent. Call :meth:`last_try` when the batch is not sent again."""
        self.pacer.silences.begin()
        return self._judge.first_try()

    def last_try(self) -> None:
        """A batch is decided, or this process will not send it again."""
        self.pacer.silences.end()

    async def post(self, user: str, bodies: Sequence[bytes], permit: Permit, tries: Tries) -> Verdict:
        """Sends one POST, once. Raises nothing but cancellation. After a cancellation, the POST may have arrived."""
        started = self._clock()
        try:
            answer = await self._client.post(user, bodies)
        except asyncio.CancelledError:
            if connected():
                self._metrics.posts_ambiguous.inc()
            self.pacer.unused(permit)
            raise
        verdict = self._judge.judge(user, answer, tries)
        retry_after = answer.retry_after if isinstance(answer, Declined) else None
        self.pacer.returned(permit, user, _signal(answer, verdict), retry_after, cause=_label(answer))
        self._learn(user, bodies, answer)
        self._record(len(bodies), answer, verdict, self._clock() - started)
        return verdict

    def _learn(self, user: str, bodies: Sequence[bytes], answer: Answer) -> None:
        """What the answer says about how long a body may be."""
        match answer:
            case Registered() if self.body_limit.learning:
                self.body_limit.accepted(user, batch_size(bodies))
            case Declined(meaning=Meaning.TOO_LARGE):
                self.body_limit.refused(user, batch_size(bodies), self._clock())

    def _record(self, events: int, answer: Answer, verdict: Verdict, seconds: float) -> None:
        self._metrics.post_duration.observe(seconds)
        self._metrics.post_events.observe(events)
        reason: dict[str, str] = {}
        status = _label(answer)
        match answer:
            case Registered():
                self._metrics.posts_accepted.inc()
                self._metrics.api_last_accepted.set_to_current_time()
                if self._debug:
                    log.debug("POST accepted", events=events, seconds=round(seconds, 3))
                return
            case Declined():
                pass
            case Unanswered():
                reason = {"reason": answer.reason}
                if answer.ambiguous:
                    self._metrics.posts_ambiguous.inc()
            case _:
                assert_never(answer)
        self._metrics.posts.labels(status).inc()
        if isinstance(verdict, Retry):
            self._metrics.retries.labels(status).inc()
        log.info(
            "POST not accepted",
            status=status,
            events=events,
            seconds=round(seconds, 3),
            verdict=type(verdict).__name__.lower(),
            repeats=" ".join((status, *reason.values())),
            **reason,
        )
