"""An event's outcome, the reasons for dead letters and halts. Values, never exceptions.

:data:`Outcome` is what delivery hands to settlement for each event. It is a closed union, matched with
``assert_never``: a new member fails the type check until every place handles it.
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


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing may be sent any more. ``fingerprint`` names the refused key or address; empty if it is neither."""

    reason: HaltReason
    detail: str
    fingerprint: str = ""


#: What a person does about each halt. One line: it stands in the log, on /readyz and in `forwarder status`.
REMEDIES = {
    HaltReason.CREDENTIALS: "put the right key into the key file (it is watched), or start with it; "
    "or run `forwarder resume` if the key was right",
    HaltReason.MISDIRECTED: "set FORWARDER_API_URL, FORWARDER_API_VERSION or FORWARDER_QUEUE right and start again; "
    "then run `forwarder resume`",
    HaltReason.DEAD_LETTER_BRAKE: "look at `forwarder dead list`; fix the producer, then run `forwarder resume`, "
    "or `forwarder resume --allow-refusals N` to let N refusals through",
}


def remedy(reason: str) -> str:
    """What to do about a halt, also about one that this version does not know."""
    try:
        return REMEDIES[HaltReason(reason)]
    except ValueError:
        return "run `forwarder resume` when the cause is gone"
