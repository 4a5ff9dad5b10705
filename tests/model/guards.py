"""What the protocol of a list is explored with: its configurations, and its mutations, each without one guard."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Faults of the network and of processes.
_ROUGH = {"EXPIRIES": 1, "CRASHES": 1, "FAILOVERS": 1, "LOST_REPLIES": 1, "LATE": 1}
#: What people and the API do.
_PEOPLE = {"REFUSALS": 1, "REPLAYS": 1, "DELETES": 1, "STOPS": 1, "HALTS": 1, "LOST_ANSWERS": 1}


@dataclass(frozen=True)
class Configuration:
    """Bounds within which everything is explored.

    Attributes:
        what: for the table.
        large: too large for CI.
    """

    what: str
    bounds: Mapping[str, int]
    large: bool = False
    liveness: bool = False


#: A fault that is left may put right what another one has broken: a lease that ends lets the next owner adopt.
_ONE = {"EVENTS": 2, "FAULTS": 1, **_ROUGH}
_TWO = {"EVENTS": 2, "WAITING": 0, "FAULTS": 2, **_ROUGH}

CONFIGURATIONS = (
    Configuration("any two faults", {"EVENTS": 2, "FAULTS": 2, **_ROUGH}),
    Configuration(
        "any four of what the API and people do",
        {"EVENTS": 2, "USERS": 2, "FAULTS": 4, **_PEOPLE, "LOST_REPLIES": 1},
    ),
    Configuration("time passes", {"EVENTS": 2, "TICKS": 4, "CRASHES": 1, "LOST_REPLIES": 1}),
    Configuration("runs without an end, one fault", {"EVENTS": 2, "FAULTS": 1, **_ROUGH, "LIVENESS": 1}, liveness=True),
    Configuration("events are pushed at any time", {"EVENTS": 2, "WAITING": 0, "FAULTS": 2, **_ROUGH}, large=True),
    Configuration("any three faults", {"EVENTS": 2, "FAULTS": 3, **_ROUGH}, large=True),
    Configuration("two events in a claim", {"EVENTS": 3, "MOST": 2, "FAULTS": 2, **_ROUGH}, large=True),
    Configuration("events of two users", {"EVENTS": 3, "USERS": 2, "FAULTS": 2, **_ROUGH}, large=True),
)


@dataclass(frozen=True)
class Guard:
    """One guard, and what the checker must find without it.

    Attributes:
        what: the guard.
        defines: that remove it.
        bounds: within which it is looked for.
        breaks: the property that its shortest counter-example breaks; empty if nothing is broken within the bounds.
        purpose: what the guard is for, if nothing is broken.
        quick: whether the counter-example is found in a second or two.
    """

    what: str
    defines: tuple[str, ...]
    breaks: str
    bounds: Mapping[str, int] = field(default_factory=lambda: _TWO)
    purpose: str = ""
    quick: bool = True

    @property
    def all_defines(self) -> Mapping[str, int]:
        """The bounds, and what removes the guard."""
        return {**self.bounds, **dict.fromkeys(self.defines, 1)}


_THREE = {"EVENTS": 2, "FAULTS": 3, **_ROUGH}
_TIME = {"EVENTS": 2, "TICKS": 4, "CRASHES": 1, "LOST_REPLIES": 1}

GUARDS = (
    Guard("an event is settled only after the API has accepted it", ("SETTLE_FIRST",), "no_loss"),
    Guard("the stamp in a field's name", ("NO_STAMP",), "no_loss"),
    Guard("an owner adopts what is claimed before it claims", ("NO_ADOPT",), "in_order"),
    Guard("claim checks the token", ("NO_FENCE_CLAIM",), "no_duplicate"),
    Guard("settle checks the token", ("NO_FENCE_SETTLE",), "all_decided"),
    Guard("the scan for adoption checks the token", ("NO_FENCE_SCAN",), "all_decided", _THREE, quick=False),
    Guard(
        "claim: a sequence below the expected one is a rollback",
        ("NO_BEFORE",),
        "",
        purpose="the settlement number shows the rollbacks that matter; this one shows the others at once",
    ),
    Guard("claim: a sequence above the expected one is a lost reply", ("NO_AGAIN",), "in_order"),
    Guard("claim: a settlement below the owner's is a rollback", ("NO_SETTLEMENT_IN_CLAIM",), "all_decided", _ONE),
    Guard("settle: the last number again is a lost reply", ("NO_REPEAT",), "no_duplicate"),
    Guard("settle: the number must be the next one", ("NO_NEXT",), "all_decided"),
    Guard("settle: every field must exist", ("NO_EXISTS",), "counted"),
    Guard("a settlement that is sent again has the same content", ("CHANGED_SETTLEMENT",), "all_decided"),
    Guard("an owner goes on with the settlement number of Redis", ("RESTART_SETTLEMENTS",), "all_decided"),
    Guard("each acquisition has a token of its own", ("SAME_TOKEN",), "no_duplicate"),
    Guard("each try to acquire has a token of its own", ("SAME_TOKEN_AGAIN",), "counted", _THREE, quick=False),
    Guard(
        "what a lost claim took must be there, all of it",
        ("NO_AGAIN_CHECK",),
        "",
        purpose="for a claimed hash that somebody else has changed",
    ),
    Guard("settle: PEXPIRE comes before `settled` for a repeated number", ("NO_PEXPIRE_REPEATED",), "alone", _TIME),
    Guard("the scan for adoption extends the lease", ("NO_PEXPIRE_SCAN",), "alone", _TIME),
    Guard(
        "claim: PEXPIRE comes before `again`",
        ("NO_PEXPIRE_AGAIN",),
        "",
        _TIME,
        purpose="the scan that follows extends the lease too; every answer does, so that it is a rule",
    ),
)
