"""What `forwarder status` finds out: the counts of a queue, who owns its lists, and its halt."""

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from forwarder.diagnosis.facts import Facts, Setup
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.findings import findings
from forwarder.diagnosis.trend import trend
from forwarder.errors import UnreachableError
from forwarder.operations.facts import Reading, facts_of
from forwarder.outcome import LetterReason
from forwarder.queue.about import About
from forwarder.queue.census import Census, Memory
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.queue.totals import Totals
from forwarder.retry import patiently

#: Calls of a script that count dead letters by reason, 100 at a time: up to 5,000 letters are counted at the first look
#: and more at each later one. It takes about a tenth of a second.
_CALLS = 50


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that holds the lease of a list, the seconds until that lease ends, and whether the worker runs."""

    worker: str
    lease_seconds: float
    alive: bool = True


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
        workers: those that are running, in the order in which they started.
        halt: the halt in force, or else the pause.
        facts: what is known.
        findings: what is wrong, the worst first; never empty.
        letters: how many dead letters there are of each reason, as far as they are counted.
        past: what the lists added up to in the last 15 minutes, oldest first; the last one is the present.
        memory: of the fullest Redis server; None where an ACL forbids to ask.
    """

    queue: str
    lists: tuple[ListStatus, ...]
    workers: tuple[About, ...]
    halt: HaltRecord | None
    facts: Facts
    findings: tuple[Finding, ...]
    letters: Mapping[str, int] = field(default_factory=dict)
    past: tuple[Totals, ...] = ()
    memory: Memory | None = None

    @property
    def total(self) -> Census:
        """The counts of all lists together."""
        return reduce(operator.add, (each.census for each in self.lists))

    @property
    def balanced(self) -> bool:
        """Whether every claimed event is accounted for, in each list."""
        return not any(each.census.imbalance for each in self.lists)


async def survey(queue: Queue, setup: Setup) -> Status:
    """Reads the status of a queue. Raises UnreachableError when Redis has not answered for five seconds.

    Args:
        queue: the queue.
        setup: the settings that a remedy names.
    """
    orders = await patiently(queue.orders)
    workers = await patiently(queue.workers)
    # Counted now, and kept as a part of the past: without a worker, nobody else keeps that.
    counted = await patiently(lambda: queue.counted(0.0))
    past = await patiently(queue.past)
    lately = trend(past, counted.totals)
    memory, foreign = await _memory(queue), await patiently(queue.foreign)
    reading = Reading(queue.names, counted.censuses, workers, orders.halt, orders.pause, lately, memory, foreign)
    facts = facts_of(reading, setup)
    return Status(
        queue.name,
        tuple(
            ListStatus(name, census, _owner(census, workers, alive=name not in facts.orphans))
            for name, census in zip(queue.names, counted.censuses, strict=True)
        ),
        facts.workers,
        orders.halt or orders.pause,
        facts,
        findings(facts),
        letters=await _letters(queue, counted.censuses),
        past=(*past, counted.totals),
        memory=memory,
    )


async def _letters(queue: Queue, censuses: Sequence[Census]) -> dict[str, int]:
    """How many dead letters have each reason, the most frequent first, as far as they are counted.

    Empty where an ACL forbids to read them.
    """
    lists = [each.letters for each, census in zip(queue.lists, censuses, strict=True) if census.letters]
    found: Counter[str] = Counter()
    try:
        for each in lists[:_CALLS]:
            found += (await each.groups(calls=max(1, _CALLS // len(lists)))).by_reason
    except UnreachableError:
        return {}
    known = Counter({reason.value: found[reason] for reason in LetterReason})
    known["other"] = found.total() - known.total()  # whatever else somebody has written there
    return {reason: count for reason, count in known.most_common() if count}


async def _memory(queue: Queue) -> Memory | None:
    """How full Redis is; None where an ACL forbids to ask."""
    try:
        return await queue.memory()
    except UnreachableError:
        return None


def _owner(census: Census, workers: Mapping[str, About], *, alive: bool) -> Owner | None:
    if census.lease is None:
        return None
    owner = workers.get(census.owner)
    name = census.lease[:8] if owner is None else owner.name
    return Owner(name, census.lease_milliseconds / 1000, alive=alive)
