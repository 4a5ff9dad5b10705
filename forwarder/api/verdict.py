"""Turns the answer to one POST into a verdict, considering what the API answered to other users.

After a 202, a 404 means that the API does not know this one user; before any 202, the URL may be wrong. A 503 counts
against a batch only while the batches of others are accepted. A 400 or 413 always counts, unless another user has just
got an answer that may not be the API's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.credentials import Credentials
from forwarder.outcome import Halt, HaltReason, LetterReason, Refused

#: If this many different users are answered "no such address", and nobody was ever accepted, the URL is wrong. With
#: fewer, the API may simply not know these users.
_MISDIRECTED_USERS = 3


@dataclass(frozen=True, slots=True)
class Accept:
    """All events of the POST are accepted."""


@dataclass(frozen=True, slots=True)
class Bisect:
    """One of the events is bad: halve the batch. A single event is refused; without FORWARDER_BISECT every event is."""

    refusal: Refused


@dataclass(frozen=True, slots=True)
class Refuse:
    """All events of the POST are refused."""

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
        address: fingerprint of the API's address.
        max_attempts: this many attempts must count before a batch may be exhausted.
        max_retry_age: this many seconds must have passed before a batch may be exhausted.
        clock: seconds, monotonic.
    """

    credentials: Credentials
    address: str
    max_attempts: int
    max_retry_age: float
    clock: Callable[[], float]
    _posts: int = 0
    _accepted: int = 0
    #: User and status of an answer that may come from a proxy or a portal instead of the API. It is kept until a POST
    #: is accepted, or another user is refused.
    _suspicion: tuple[str, int] | None = None
    _unknown_users: set[str] = field(default_factory=set)

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
                self._suspicion = None
                self._unknown_users.clear()
                return Accept()
            case Unanswered():
                return self._again(answer.cause, 0.0, tries)
            case Declined():
                return self._declined(user, answer, tries)
        assert_never(answer)

    def _declined(self, user: str, answer: Declined, tries: Tries) -> Verdict:
        status, after = str(answer.status), answer.retry_after or 0.0
        if answer.meaning is Meaning.TRANSIENT:
            return self._again(status, after, tries)
        if answer.meaning is Meaning.UNAUTHORIZED:
            return self._unauthorized(answer)
        if self._suspicion is not None and self._suspicion[0] != user:
            return self._confirmed(answer)
        match answer.meaning:
            case Meaning.SUSPECT:
                self._suspicion = (user, answer.status)
                return self._again(status, after, tries)
            case Meaning.NO_SUCH_ADDRESS:
                return self._no_such_address(user, status, after, tries)
            case Meaning.MALFORMED:
                return Bisect(Refused(LetterReason.REJECTED, status, f"the API answered {status}", tries.made))
            case Meaning.TOO_LARGE:
                return Bisect(Refused(LetterReason.TOO_LARGE, status, f"the API answered {status}", tries.made))
        assert_never(answer.meaning)

    def _unauthorized(self, answer: Declined) -> Verdict:
        """Halts, unless there is another key to try: the key has changed meanwhile, or its file holds a new one."""
        if answer.fingerprint != self.credentials.fingerprint or self.credentials.reload():
            return Retry("401")
        return Halt(
            HaltReason.CREDENTIALS,
            "the API answered 401: the API key is refused",
            self.credentials.fingerprint,
        )

    def _confirmed(self, answer: Declined) -> Verdict:
        """Halts: after a suspect answer to one user, the next other user was refused too.

        Example: u-1 is answered 302, then u-2 is answered 404. A portal may answer everyone so: halt `misdirected`.
        If u-2 is answered 202 instead, only u-1 has a problem, and nothing halts.
        """
        suspect = answer.status if answer.meaning is Meaning.SUSPECT or self._suspicion is None else self._suspicion[1]
        self._suspicion = None
        if suspect == 403:
            detail = "the API answered 403 to two users in a row: the API key lacks the permission"
            return Halt(HaltReason.CREDENTIALS, detail, self.credentials.fingerprint)
        detail = f"the answers to two users in a row included {suspect}, which the API never sends: is this the API?"
        return Halt(HaltReason.MISDIRECTED, detail, self.address)

    def _no_such_address(self, user: str, status: str, after: float, tries: Tries) -> Verdict:
        if self._accepted:
            return Refuse(Refused(LetterReason.REJECTED, status, f"the API answered {status}", tries.made))
        self._unknown_users.add(user)
        if len(self._unknown_users) >= _MISDIRECTED_USERS:
            self._unknown_users.clear()
            detail = (
                f"the API answered {status} to {_MISDIRECTED_USERS} users, and nobody was ever accepted: "
                "is FORWARDER_API_URL right?"
            )
            return Halt(HaltReason.MISDIRECTED, detail, self.address)
        return self._again(status, after, tries)

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
