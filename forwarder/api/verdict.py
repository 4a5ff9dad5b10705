"""From one POST's answer to a verdict, in the light of what the API answered to other users.

A refusal is only believed while the API is known to work: the same 404 is one strange user after a 202 and a
wrong address before any; a 503 counts against a batch only while others are served.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.credentials import Credentials
from forwarder.outcome import Halt, HaltReason, LetterReason, Refused

#: How many different users must be answered "no such address" before the address is held to be wrong.
_MISDIRECTED_USERS = 3


@dataclass(frozen=True, slots=True)
class Accept:
    """All events of the POST are accepted."""


@dataclass(frozen=True, slots=True)
class Bisect:
    """One of the events is at fault: halve the batch. A single event is refused with this refusal."""

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
    """What one batch has been through. ``posts`` and ``accepted`` are the API's record as last seen by it."""

    since: float
    posts: int
    accepted: int
    made: int = 0
    counted: int = 0


@dataclass(slots=True)
class Judge:
    """Remembers, across users, how the API answers. One per process and API address."""

    credentials: Credentials
    address: str
    max_attempts: int
    max_retry_age: float
    clock: Callable[[], float]
    _posts: int = 0
    _accepted: int = 0
    #: The user and status of an answer that may not be the API's at all, until another user is answered.
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
        """The key may have been changed meanwhile, or the file may hold a new one: then that one is tried."""
        if answer.fingerprint != self.credentials.fingerprint or self.credentials.reload():
            return Retry("401")
        return Halt(
            HaltReason.CREDENTIALS,
            "the API answered 401: the API key is refused",
            self.credentials.fingerprint,
        )

    def _confirmed(self, answer: Declined) -> Verdict:
        """A second user was not accepted either, right after an answer that was perhaps not the API's."""
        suspect = answer.status if answer.meaning is Meaning.SUSPECT or self._suspicion is None else self._suspicion[1]
        self._suspicion = None
        if suspect == 403:
            detail = "the API answered 403 to two users in a row: the API key lacks the permission"
            return Halt(HaltReason.CREDENTIALS, detail, self.credentials.fingerprint)
        detail = f"two users in a row were answered {suspect}, which the API never does: is this the API?"
        return Halt(HaltReason.MISDIRECTED, detail, self.address)

    def _no_such_address(self, user: str, status: str, after: float, tries: Tries) -> Verdict:
        if self._accepted:
            return Refuse(Refused(LetterReason.REJECTED, status, f"the API answered {status}", tries.made))
        self._unknown_users.add(user)
        if len(self._unknown_users) >= _MISDIRECTED_USERS:
            self._unknown_users.clear()
            detail = f"{_MISDIRECTED_USERS} users were answered {status} and none was ever accepted: is the URL right?"
            return Halt(HaltReason.MISDIRECTED, detail, self.address)
        return self._again(status, after, tries)

    def _again(self, cause: str, after: float, tries: Tries) -> Verdict:
        """Another attempt, unless this batch has failed often and long while most of the others were served."""
        others = self._posts - tries.posts - 1
        accepted = self._accepted - tries.accepted
        tries.posts, tries.accepted = self._posts, self._accepted
        if accepted * 2 > others:
            tries.counted += 1
        if tries.counted >= self.max_attempts and self.clock() - tries.since >= self.max_retry_age:
            detail = f"{tries.counted} attempts failed while others were accepted, the last with {cause}"
            return Refuse(Refused(LetterReason.EXHAUSTED, cause, detail, tries.made))
        return Retry(cause, after)
