"""What a finished world is judged by: the history, the rate, the halts, and what was sent twice and why."""

from collections.abc import Iterator

from tests.support.fleet.world import World
from tests.support.promises import Post, check

#: Seconds after a failover in which POSTs of before it may still be in flight.
_IN_FLIGHT = 60.0


def faults(world: World, *, limit: float, workers: int) -> list[str]:
    """Every promise that was broken in the whole life of this world."""
    return [
        *world.violations,
        *_history(world),
        *_rate(world, limit, workers),
        *_at_once(world),
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


def _rate(world: World, limit: float, workers: int) -> Iterator[str]:
    if limit and world.outside.worst > limit + workers:
        yield f"rate: {world.outside.worst} POSTs in the worst second, with a limit of {limit:g} and {workers} workers"


def _at_once(world: World) -> Iterator[str]:
    """A POST ends before the lease of its list does. Only a failover may forget a lease."""
    for user, at in world.outside.at_once:
        if not any(since <= at <= until + _IN_FLIGHT for since, until in world.forgotten):
            yield f"two POSTs of {user} at once, at {at:.3f} s"
            return
