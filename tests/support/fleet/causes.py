"""Which faults may cause what: a halt or a lost lease without one of them breaks a promise."""

from collections.abc import Iterable, Mapping
from math import inf

#: These may keep a worker from Redis: it loses a lease, or does not read a halt. And for how many seconds afterwards.
CUTS_OFF = frozenset({"freeze", "cut", "flaky", "away", "hang", "full", "failover"})
AFTERWARDS = 60.0
#: Which faults may halt the service for which reason, until how many seconds after they are over.
_MAY_HALT: Mapping[str, Mapping[str, float]] = {
    "credentials": {"revoke": 30.0},
    "paused": {"paused": 70.0},
    # What was pushed then may wait behind a backlog, or behind an outage.
    "dead_letter_brake": {"deploy": inf},
}
_MAY_LOSE = dict.fromkeys(CUTS_OFF, AFTERWARDS)


def may_halt(faults: Iterable[tuple[str, float, float]], at: float, reason: str) -> bool:
    """Whether a halt for this reason has a cause."""
    return _during(faults, at, _MAY_HALT.get(reason, {}))


def may_lose(faults: Iterable[tuple[str, float, float]], at: float) -> bool:
    """Whether a lost lease has a cause."""
    return _during(faults, at, _MAY_LOSE)


def _during(faults: Iterable[tuple[str, float, float]], at: float, causes: Mapping[str, float]) -> bool:
    """Whether one of these was in force, or had ended fewer seconds ago than it may matter."""
    return any(name in causes and since <= at <= until + causes[name] for name, since, until in faults)
