"""Turns the answer to one POST into a verdict, considering what the API answered to other users.

At an address that has answered 202, a 404 means that the API does not know this one user; at any other, the URL may
be wrong (`doubts`). A 503 counts against a batch only while the batches of others are accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.credentials import Credentials
from forwarder.api.doubts import Doubts
from forwarder.outcome import Halt, HaltReason, LetterReason, Refused


@dataclass(frozen=True, slots=True)
class Accept:
    """All events of the POST are accepted."""


@dataclass(frozen=True, slots=True)
class Bisect:
    """One of the events is bad: halve the batch. A single event is refused; without FORWARDER_BISECT every event is."""

    refusal: Refused


@dataclass(frozen=True, slots=True)
class Refuse:
    """All events of the POST are refused together, whatever is in them: one decision."""

    refusal: Refused


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry after a backoff of at least ``after`` seconds."""

    cause: str
    after: float = 0.0


Verdict = Accept | Bisect | Refuse | Retry | Halt


@dataclass(slots=True)
class Tries:
    """What the judge remembers of one batch.

    Attributes:
        since: when the batch was first sent, on the judge's clock.
        posts: how many POSTs, of all users, had been judged at the latest attempt.
        accepted: how many of those were accepted.
        made: attempts so far.
        counted: attempts that failed while most POSTs of other users were accepted.
    """

    since: float
    posts: int
    accepted: int
    made: int = 0
    counted: int = 0


@dataclass(slots=True)
class Judge:
    """Remembers how the API answers, across users. One per process and API address.

    Attributes:
        doubts: whether this is the API at all.
        max_attempts: this many attempts must count before a batch may be exhausted.
        max_retry_age: this many seconds must have passed before a batch may be exhausted.
        clock: seconds, monotonic.
    """

    credentials: Credentials
    doubts: Doubts
    max_attempts: int
    max_retry_age: float
    clock: Callable[[], float]
    _posts: int = 0
    _accepted: int = 0

    def first_try(self) -> Tries:
        """The record of a batch that is about to be sent for the first time."""
        return Tries(self.clock(), self._posts, self._accepted)

    def judge(self, user: str, answer: Answer, tries: Tries) -> Verdict:
        """The verdict on one POST of `user`; counts the attempt in `tries`."""
        self._posts += 1
        tries.made += 1
        match answer:
            case Registered():
                self._accepted += 1
                self.doubts.accepted()
                return Accept()
            case Unanswered(cause, reason=reason):
                halt = self.doubts.unreadable(user, reason) if cause == "unreadable" else None
                return halt or self._again(cause, 0.0, tries)
            case Declined():
                return self._declined(user, answer, tries)
        assert_never(answer)

    def _declined(self, user: str, answer: Declined, tries: Tries) -> Verdict:
        status, after = str(answer.status), answer.retry_after or 0.0
        match answer.meaning:
            case Meaning.TRANSIENT:
                return self._again(status, after, tries)
            case Meaning.UNAUTHORIZED:
                return self._unauthorized(answer)
            case Meaning.SUSPECT:
                return self._suspect(user, answer) or self._again(status, after, tries)
            case Meaning.MALFORMED if self.doubts.known or answer.is_object:
                if answer.status == HTTPStatus.BAD_REQUEST:
                    self.doubts.reached()
                return Bisect(self._refused(LetterReason.REJECTED, status, tries))
            case Meaning.TOO_LARGE:
                return Bisect(self._refused(LetterReason.TOO_LARGE, status, tries))
            case Meaning.NO_SUCH_ADDRESS if self.doubts.known:
                return Refuse(self._refused(LetterReason.REJECTED, status, tries))
            case Meaning.ERASED if self.doubts.known:
                return Refuse(self._refused(LetterReason.ERASED, status, tries))
            case Meaning.MALFORMED | Meaning.NO_SUCH_ADDRESS | Meaning.ERASED:
                halt = self.doubts.unproved(user, answer.meaning, status)
                return halt or self._again(status, after, tries)
        assert_never(answer.meaning)

    @staticmethod
    def _refused(reason: LetterReason, status: str, tries: Tries) -> Refused:
        return Refused(reason, status, f"the API answered {status}", tries.made)

    def _suspect(self, user: str, answer: Declined) -> Halt | None:
        if answer.status == 403 and answer.fingerprint != self.credentials.fingerprint:
            return None  # it says nothing about the key of now
        return self.doubts.suspect(user, answer.status)

    def _unauthorized(self, answer: Declined) -> Verdict:
        """Halts, unless there is another key to try: the key has changed meanwhile, or its file holds a new one."""
        self.doubts.reached()
        if answer.fingerprint != self.credentials.fingerprint or self.credentials.reload():
            return Retry("401")
        return Halt(
            HaltReason.CREDENTIALS,
            "the API answered 401: the API key is refused",
            self.credentials.fingerprint,
        )

    def _again(self, cause: str, after: float, tries: Tries) -> Verdict:
        """Retries, unless this batch has failed often and for long while most POSTs of others were accepted.

        Example: between two attempts of this batch, 10 other POSTs were answered. If 6 of them were accepted, the
        failed attempt counts; if 5 were, it does not. In an outage none counts, so an outage exhausts nothing.
        """
        others = self._posts - tries.posts - 1
        accepted = self._accepted - tries.accepted
        tries.posts, tries.accepted = self._posts, self._accepted
        if accepted * 2 > others:
            tries.counted += 1
        if tries.counted >= self.max_attempts and self.clock() - tries.since >= self.max_retry_age:
            detail = f"{tries.counted} attempts failed while others were accepted, the last with {cause}"
            return Refuse(Refused(LetterReason.EXHAUSTED, cause, detail, tries.made))
        return Retry(cause, after)
