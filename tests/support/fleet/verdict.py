"""What a finished world is judged by: the history, the rate, the halts, and what was sent twice and why."""

from collections.abc import Iterator, Mapping
from math import inf

from tests.support.fleet.world import World
from tests.support.promises import Post, check

#: Which faults may halt the service for which reason, until how many seconds after they are over.
_MAY_HALT: Mapping[str, Mapping[str, float]] = {
    "credentials": {"revoke": 30.0},
    "paused": {"paused": 70.0},
    # What was pushed then may wait behind a backlog, or behind an outage.
    "dead_letter_brake": {"deploy": inf},
}
#: The same for faults that may cost a worker its leases.
_MAY_LOSE: Mapping[str, float] = dict.fromkeys(("freeze", "cut", "flaky", "away", "hang", "full", "failover"), 60.0)


def faults(world: World, *, limit: float, workers: int) -> list[str]:
    """Every promise that was broken in the whole life of this world."""
    return [
        *world.violations,
        *_history(world),
        *_rate(world, limit, workers),
        *_at_once(world),
        *_halts(world),
        *_leases(world),
    ]


def _history(world: World) -> Iterator[str]:
    found = check(world.history()).faults
    doubled = found.pop("doubled without a cause", [])
    for kind, what in found.items():
        yield f"{kind}: {len(what)}, such as {what[:5]}"
    unexplained = [n for n in sorted(set(doubled)) if not _is_explained(world, n)]
    if unexplained:
        yield f"doubled without a cause: {len(unexplained)}, such as {unexplained[:5]}"


def doubles(world: World) -> list[int]:
    """All events that were accepted more than once, with or without a cause."""
    seen: set[int] = set()
    return [n for post in world.outside.accepted for n in post.numbers if n in seen or seen.add(n)]  # type: ignore[func-returns-value]


def _is_explained(world: World, number: int) -> bool:
    """Whether each acceptance of the event but the last may not have been settled."""
    posts = [index for index, post in enumerate(world.outside.accepted) if number in post.numbers]
    return all(_may_be_unsettled(world, index) for index in posts[:-1])


def _may_be_unsettled(world: World, index: int) -> bool:
    post: Post = world.outside.accepted[index]
    windows = [*world.forgotten, *world.unsettled.get(world.outside.senders[index], ())]
    return not post.answered or any(since <= post.at <= until for since, until in windows)


def _halts(world: World) -> Iterator[str]:
    for at, reason in world.halts:
        if reason not in _MAY_HALT or not _during(world, at, _MAY_HALT[reason]):
            yield f"halted without a cause: {reason}, at {at:.3f} s"
            return


def _leases(world: World) -> Iterator[str]:
    for at, name in world.lost:
        if not _during(world, at, _MAY_LOSE):
            yield f"{name} lost a lease without a cause, at {at:.3f} s"
            return


def _during(world: World, at: float, causes: Mapping[str, float]) -> bool:
    """Whether one of these faults was in force, or had ended fewer seconds ago than it may matter."""
    return any(name in causes and since <= at <= until + causes[name] for name, since, until in world.faults)


def _rate(world: World, limit: float, workers: int) -> Iterator[str]:
    if limit and world.outside.worst > limit + workers:
        yield f"rate: {world.outside.worst} POSTs in the worst second, with a limit of {limit:g} and {workers} workers"


def _at_once(world: World) -> Iterator[str]:
    """One user's POSTs overlap only if the first one's process was killed, cut off or frozen."""
    for user, at in world.outside.at_once:
        windows = [*world.forgotten, *(window for each in world.unsettled.values() for window in each)]
        if not any(since <= at <= until + 60 for since, until in windows):
            yield f"two POSTs of {user} at once, at {at:.3f} s"
            return
