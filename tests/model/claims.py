"""What `claims.pml`, the protocol of one list, is explored with."""

from collections.abc import Mapping

from tests.model.exploring import Configuration, Guard
from tests.model.spin import Search

MODEL = "claims.pml"
#: Faults of the network and of processes.
_ROUGH = {"EXPIRIES": 1, "CRASHES": 1, "FAILOVERS": 1, "LOST_REPLIES": 1, "LATE": 1}
#: What people and the API do.
_PEOPLE = {"REFUSALS": 1, "REPLAYS": 1, "DELETES": 1, "STOPS": 1, "HALTS": 1, "LOST_ANSWERS": 1}
#: A fault that is left may put right what another one has broken: a lease that ends lets the next owner adopt.
_ONE = {"EVENTS": 2, "FAULTS": 1, **_ROUGH}
_TWO = {"EVENTS": 2, "WAITING": 0, "FAULTS": 2, **_ROUGH}
_THREE = {"EVENTS": 2, "FAULTS": 3, **_ROUGH}
_TIME = {"EVENTS": 2, "TICKS": 4, "CRASHES": 1, "LOST_REPLIES": 1}

CONFIGURATIONS = (
    Configuration(MODEL, "any two faults", {"EVENTS": 2, "FAULTS": 2, **_ROUGH}),
    Configuration(
        MODEL,
        "any four of what the API and people do",
        {"EVENTS": 2, "USERS": 2, "FAULTS": 4, **_PEOPLE, "LOST_REPLIES": 1},
    ),
    Configuration(MODEL, "time passes", _TIME),
    Configuration(MODEL, "runs without an end, one fault", {**_ONE, "LIVENESS": 1}, search=Search.LIVENESS),
    Configuration(MODEL, "events are pushed at any time", _TWO, large=True),
    Configuration(MODEL, "any three faults", _THREE, large=True),
    Configuration(MODEL, "two events in a claim", {"EVENTS": 3, "MOST": 2, "FAULTS": 2, **_ROUGH}, large=True),
    Configuration(MODEL, "events of two users", {"EVENTS": 3, "USERS": 2, "FAULTS": 2, **_ROUGH}, large=True),
)


def _guard(
    what: str,
    macro: str,
    breaks: str,
    bounds: Mapping[str, int] = _TWO,
    *,
    purpose: str = "",
    story: str = "",
    quick: bool = True,
) -> Guard:
    return Guard(MODEL, what, {macro: 1}, bounds, breaks, purpose, story, quick)


GUARDS = (
    _guard("an event is settled only after the API has accepted it", "SETTLE_FIRST", "no_loss"),
    _guard(
        "the stamp in a field's name",
        "NO_STAMP",
        "no_loss",
        story="A claim is sent twice. A failover forgets its first execution. The second one claims another event "
        "under the same number, and the settlement of the first event deletes it.",
    ),
    _guard("an owner adopts what is claimed before it claims", "NO_ADOPT", "in_order"),
    _guard("claim checks the token", "NO_FENCE_CLAIM", "no_duplicate"),
    _guard("settle checks the token", "NO_FENCE_SETTLE", "all_decided"),
    _guard(
        "the scan for adoption checks the token",
        "NO_FENCE_SCAN",
        "all_decided",
        _THREE,
        story="A worker acquires the list, loses its lease, and adopts when the next owner has left nothing. A "
        "failover then gives it the lease and the claimed events back, and it does not know of them.",
        quick=False,
    ),
    _guard(
        "claim: a sequence below the expected one is a rollback",
        "NO_BEFORE",
        "",
        purpose="the settlement number shows the rollbacks that matter; this one shows the others at once",
    ),
    _guard("claim: a sequence above the expected one is a lost reply", "NO_AGAIN", "in_order"),
    _guard(
        "claim: a settlement below the owner's is a rollback",
        "NO_SETTLEMENT_IN_CLAIM",
        "all_decided",
        _ONE,
        story="Everything is settled, and a failover brings back an older copy, in which the events are still claimed. "
        "Nothing waits, so no claim and no settlement comes that would notice.",
    ),
    _guard("settle: the last number again is a lost reply", "NO_REPEAT", "no_duplicate"),
    _guard("settle: the number must be the next one", "NO_NEXT", "all_decided"),
    _guard("settle: every field must exist", "NO_EXISTS", "counted"),
    _guard("a settlement that is sent again has the same content", "CHANGED_SETTLEMENT", "all_decided"),
    _guard("an owner goes on with the settlement number of Redis", "RESTART_SETTLEMENTS", "all_decided"),
    _guard("each acquisition has a token of its own", "SAME_TOKEN", "no_duplicate"),
    _guard("each try to acquire has a token of its own", "SAME_TOKEN_AGAIN", "counted", _THREE, quick=False),
    _guard(
        "what a lost claim took must be there, all of it",
        "NO_AGAIN_CHECK",
        "",
        purpose="for a claimed hash that somebody else has changed",
    ),
    _guard("settle: PEXPIRE comes before `settled` for a repeated number", "NO_PEXPIRE_REPEATED", "alone", _TIME),
    _guard("the scan for adoption extends the lease", "NO_PEXPIRE_SCAN", "alone", _TIME),
    _guard(
        "claim: PEXPIRE comes before `again`",
        "NO_PEXPIRE_AGAIN",
        "",
        _TIME,
        purpose="the scan that follows extends the lease too; every answer does, so that it is a rule",
    ),
)
