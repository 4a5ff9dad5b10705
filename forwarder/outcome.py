"""What became of an event, and what an answer of the API means. Values, never exceptions.

:data:`Outcome` is what delivery hands to settlement for each event; :data:`Answer` is what the API, or the
network, said to one POST. Both are closed unions, matched with ``assert_never``: a new member fails the type
check until every place handles it.
"""

from dataclasses import dataclass
from enum import StrEnum


class LetterReason(StrEnum):
    """Why an event is a dead letter: the closed set."""

    INVALID = "invalid"
    REJECTED = "rejected"
    TOO_LARGE = "too_large"
    EXHAUSTED = "exhausted"


class HaltReason(StrEnum):
    """Why the service is halted: the closed set."""

    CREDENTIALS = "credentials"
    MISDIRECTED = "misdirected"
    DEAD_LETTER_BRAKE = "dead_letter_brake"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API registered the event: its claim may end."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The event is a dead letter to be."""

    reason: LetterReason
    status: str = ""
    detail: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not decided: the event stays claimed, and whoever owns the list next tries again."""


Outcome = Accepted | Refused | Deferred


class Meaning(StrEnum):
    """What a status says, for every status that is not a plain acceptance (DESIGN: answers)."""

    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    TOO_LARGE = "too_large"
    NO_SUCH_ADDRESS = "no_such_address"
    SUSPECT = "suspect"
    TRANSIENT = "transient"


@dataclass(frozen=True, slots=True)
class Registered:
    """202: the API has the events."""

    status: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The API, or something in front of it, answered with another status than 202."""

    status: int
    meaning: Meaning
    #: Seconds the answer asks to wait, if it does.
    retry_after: float | None = None
    #: Fingerprint of the API key that this POST carried.
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No status came back."""

    #: A word from a closed set, for metrics and logs: refused, reset, timeout, dns, tls,
    #: no_socket (this machine has no descriptor or no memory for one), other.
    cause: str
    #: True when the request may have arrived, so that sending it again may double it.
    ambiguous: bool


Answer = Registered | Declined | Unanswered
