"""What `forwarder status` finds out: the counts of a queue, who owns its lists, and its halt."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that holds the lease of a list, and the seconds until that lease ends."""

    worker: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class ListStatus:
    """One list of the queue. `owner` is None if no worker owns it."""

    name: str
    census: Census
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class Status:
    """A queue at one moment.

    Attributes:
        lists: by shard.
        workers: the names of the workers that are running, in the order in which they started.
        halt: the halt in force.
    """

    queue: str
    lists: tuple[ListStatus, ...]
    workers: tuple[str, ...]
    halt: HaltRecord | None

    @property
    def total(self) -> Census:
        """The counts of all lists together."""
        return reduce(operator.add, (each.census for each in self.lists))

    @property
    def balanced(self) -> bool:
        """Whether every claimed event is accounted for, in each list."""
        return not any(each.census.imbalance for each in self.lists)


async def survey(queue: Queue) -> Status:
    """Reads the status of a queue."""
    halt = await patiently(queue.halt)
    workers = await patiently(queue.workers)
    found = zip(queue.names, await patiently(queue.censuses), strict=True)
    return Status(
        queue.name,
        tuple(ListStatus(name, census, _owner(census, workers)) for name, census in found),
        tuple(workers.values()),
        halt,
    )


def _owner(census: Census, workers: Mapping[str, str]) -> Owner | None:
    if census.lease is None:
        return None
    return Owner(workers.get(census.owner, census.lease[:8]), census.lease_milliseconds / 1000)
