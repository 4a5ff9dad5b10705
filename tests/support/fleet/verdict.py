"""Judges a finished world: its history, what was sent twice and why, and two POSTs of a user at once."""

from collections.abc import Iterator

from tests.support.fleet.world import Violation, World
from tests.support.promises import Post, check

#: Seconds after a failover in which POSTs of before it may still be in flight.
_IN_FLIGHT = 60.0


def violations(world: World) -> list[Violation]:
    """Every promise that was broken in the whole life of this world."""
    late = [Violation(kind, detail, world.now()) for kind, detail in (*_history(world), *_at_once(world))]
    return [*world.violations, *late]


def _history(world: World) -> Iterator[tuple[str, str]]:
    found = check(world.history()).faults
    doubled = found.pop("doubled without a cause", [])
    for kind, what in found.items():
        yield kind, f"{len(what)}, such as {what[:5]}"
    unexplained = [n for n in sorted(set(doubled)) if not _is_explained(world, n)]
    if unexplained:
        yield "doubled without a cause", f"{len(unexplained)}, such as {unexplained[:5]}"


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


def _at_once(world: World) -> Iterator[tuple[str, str]]:
    """A POST ends before the lease of its list does. Only a failover may forget a lease."""
    for user, at in world.outside.at_once:
        if not any(since <= at <= until + _IN_FLIGHT for since, until in world.forgotten):
            yield "two POSTs of a user at once", f"{user}, at {at:.3f} s"
            return
