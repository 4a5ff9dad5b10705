"""Who owns which list of a queue, according to the leases in Redis."""

from collections.abc import Iterable, Sequence

from forwarder.queue.queue import Queue


async def owners(lists: Queue) -> list[str | None]:
    """The worker that holds each list, by the beginning of its token."""
    return [census.owner or None for census in await lists.censuses()]


def shared_fairly(held: Sequence[str | None], workers: int) -> bool:
    """Whether every list has an owner, and these workers own equally many lists, or one more."""
    return None not in held and _counts(held) == sorted(
        len(held) // workers + (rank < len(held) % workers) for rank in range(workers)
    )


def _counts(held: Iterable[str | None]) -> list[int]:
    names = list(held)
    return sorted(names.count(name) for name in set(names))
