"""An event's outcome, the reasons for dead letters and halts. Values, never exceptions.

:data:`Outcome` is what delivery hands to settlement for each event. It is a closed union, matched with
``assert_never``: a new member fails the type check until every place handles it.
"""

from dataclasses import dataclass
from enum import StrEnum


class LetterReason(StrEnum):
    """Why an event is a dead letter. A closed set."""

    INVALID = "invalid"
    REJECTED = "rejected"
    TOO_LARGE = "too_large"
    EXHAUSTED = "exhausted"
    ERASED = "erased"


class HaltReason(StrEnum):
    """Why the service is halted. A closed set."""

    CREDENTIALS = "credentials"
    MISDIRECTED = "misdirected"
    DEAD_LETTER_BRAKE = "dead_letter_brake"


#: The word for a pause, which a person asks for. It is shown like the reason of a halt.
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The API registered the event: its claim may end."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The event becomes a dead letter.

    Attributes:
        status: of the answer, or why there was none; empty if the event was never sent.
        attempts: POSTs of the last batch that the event was in; 0 if it was never sent.
        others_accepted: whether it is known that events of the same user with other names were accepted.
    """

    reason: LetterReason
    status: str = ""
    detail: str = ""
    attempts: int = 0
    others_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not decided: the event stays claimed, and the next owner of the list retries it."""


Outcome = Accepted | Refused | Deferred


@dataclass(frozen=True, slots=True)
class Halt:
    """From now on nothing may be sent. ``fingerprint`` identifies the refused key or address; empty if neither is."""

    reason: HaltReason
    detail: str
    fingerprint: str = ""
