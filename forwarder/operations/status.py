"""What `forwarder status` finds out: the counts of a queue, who owns its lists, and its halt."""

import operator
from collections.abc import Mapping
from functools import reduce

from forwarder.queue import Census, Queue
from forwarder.retry import patiently


async def survey(queue: Queue) -> dict[str, object]:
    """Everything countable of a queue, who owns its lists, and its halt, as one JSON-ready object."""
    halt = await patiently(queue.halt)
    workers = await patiently(queue.workers)
    found = await patiently(queue.censuses)
    return {
        **reduce(operator.add, found).counts,
        "lists": [
            {"shard": shard, "list": name, **census.counts, "owner": _owner(census, workers)}
            for shard, (name, census) in enumerate(zip(queue.names, found, strict=True))
        ],
        "workers": list(workers.values()),
        "halt": halt and {"reason": halt.reason, "detail": halt.detail, "since": halt.since},
        "balanced": not any(census.imbalance for census in found),
    }


def _owner(census: Census, workers: Mapping[str, str]) -> dict[str, object] | None:
    if census.lease is None:
        return None
    name = workers.get(census.owner, census.lease[:8])
    return {"worker": name, "lease_seconds": census.lease_milliseconds / 1000}
