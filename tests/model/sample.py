"""Samples of a model's schedules, as many as wanted, from a seed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from tests.model import spin
from tests.model.trace import Schedule, schedules


def _bounds(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (each.split("=") for each in text.split())}


#: Bounds for claims.pml. A random walk finds more if not every fault happens in it, and if faults come late.
CLAIMS: Sequence[Mapping[str, int]] = (
    # Everything: deaths, hanging workers, lost replies and late commands.
    _bounds("""
        EVENTS=3 MOST=2 WAITING=1 EXPIRIES=2 CRASHES=1 FAILOVERS=1 LOST_REPLIES=2 LATE=2 LOST_ANSWERS=1 REFUSALS=2
        REPLAYS=1 DELETES=1 STOPS=1 PATIENCE=20
    """),
    # One claim an event, and a failover while much is claimed: a third of the walks end with a rollback.
    _bounds("EVENTS=4 MOST=1 USERS=2 WAITING=3 FAILOVERS=1 LOST_REPLIES=1 LATE=1 REFUSALS=3 REPLAYS=2 PATIENCE=8"),
    # Dead letters, halts, and workers that hang.
    _bounds("""
        EVENTS=4 MOST=2 USERS=2 WAITING=3 EXPIRIES=2 LATE=2 REFUSALS=4 REPLAYS=2 DELETES=1 HALTS=1 PATIENCE=30
    """),
)


#: Bounds for mover.pml, in pages of one event.
MOVER: Sequence[Mapping[str, int]] = tuple(
    _bounds(f"SHAPE={shape} RUNS=3 {faults}")
    for shape in (1, 2, 3)
    for faults in (
        "PERSON=1 PUSHES=1 WORKER=3 ACQUIRES=1 EXPIRIES=1 LATE=1 RESENDS=1 PATIENCE=25",
        "PUSHES=2 EXPIRIES=2 LATE=2 RESENDS=2 PATIENCE=18",
    )
)


def sample(model: str, bounds: Sequence[Mapping[str, int]], *, seed: int, count: int) -> Iterator[Schedule]:
    """About this many schedules, from each of these bounds in turn.

    Raises:
        SpinError: the model cannot be run.
    """
    each = count // len(bounds)
    parts = [schedules(spin.walks(model, defines, seed=seed, count=each)) for defines in bounds]
    yield from chain.from_iterable(zip(*parts, strict=True))
