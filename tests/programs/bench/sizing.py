"""Computes what a rate of events needs from what an event costs, and which limit is reached first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from forwarder.queue.sharding import MOST_SHARDS

# What is given, not measured.
#: POSTs a second that the API's owner asks for, of one account.
POSTS = 120
EVENTS_PER_POST = 100
#: Of a core, of memory, of a network link: the rest is for peaks, and for what a dead one leaves to the others.
USED = 0.6
#: Seconds of an outage whose events Redis is to keep.
OUTAGE = 3_600
NODE_BYTES = 64 * 2**30
LINK_BITS = 10e9
#: Seconds until the API answers; a user has one POST in flight.
ANSWER = 0.1
RATES = (10_000, 1_000_000, 10_000_000)
#: Lists for each worker and each node, so that their unequal loads even out.
_LISTS_EACH = 4


@dataclass(frozen=True)
class Costs:
    """Of one event, as measured."""

    #: CPU in microseconds: of the workers; of a Redis master, from the list to the settlement; of being pushed to it,
    #: one at a time and many at once.
    worker_us: float
    redis_us: float
    push_us: float
    cheap_push_us: float
    #: In Redis while it waits, between Redis and its clients (once it is pushed), and in the body of a POST.
    waiting_bytes: float
    redis_bytes: float
    body_bytes: float
    #: Of one worker's memory.
    worker_bytes: float

    @property
    def node_us(self) -> float:
        """CPU of a Redis master, the push included, one at a time."""
        return self.redis_us + self.push_us

    @property
    def cheap_node_us(self) -> float:
        """The same, of events that are pushed many at once."""
        return self.redis_us + self.cheap_push_us


@dataclass(frozen=True)
class Size:
    """What a rate of events takes."""

    rate: int
    accounts: int
    workers: int
    worker_gib: float
    #: How many queues, and the lists of each.
    queues: int
    shards: int
    #: Masters: for their CPU, with events pushed one at a time and many at once; for what waits after an outage.
    nodes_for_cpu: int
    nodes_for_cheap_cpu: int
    nodes_for_memory: int
    outage_gib: float
    redis_gbit: float
    api_gbit: float


def size(costs: Costs, rate: int) -> Size:
    """What so many events a second take, with everything used to its planned part."""
    workers, outage = _busy(rate, costs.worker_us), rate * OUTAGE * costs.waiting_bytes
    by_cpu, by_memory = _busy(rate, costs.node_us), ceil(outage / NODE_BYTES / USED)
    most = max(workers, by_cpu, by_memory)
    queues = ceil(most / MOST_SHARDS)
    return Size(
        rate=rate,
        accounts=ceil(rate / (POSTS * EVENTS_PER_POST)),
        workers=workers,
        worker_gib=workers * costs.worker_bytes / 2**30,
        queues=queues,
        shards=1 if most == 1 else min(MOST_SHARDS, _power_of_two(_LISTS_EACH * most // queues)),
        nodes_for_cpu=by_cpu,
        nodes_for_cheap_cpu=_busy(rate, costs.cheap_node_us),
        nodes_for_memory=by_memory,
        outage_gib=outage / 2**30,
        redis_gbit=rate * costs.redis_bytes * 8 / 1e9,
        api_gbit=rate * costs.body_bytes * 8 / 1e9,
    )


def _busy(rate: int, microseconds: float) -> int:
    """Cores that are enough, if an event takes so much of one."""
    return ceil(rate * microseconds / 1e6 / USED)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


@dataclass(frozen=True)
class Ceiling:
    """Something that a rate of events uses fully."""

    what: str
    rate: float
    then: str


def ceilings(costs: Costs) -> Sequence[Ceiling]:
    """What reaches its limit, in order."""
    return sorted((*_of_accounts(), *_of_redis(costs), *_of_workers(costs)), key=lambda each: each.rate)


def _of_accounts() -> Sequence[Ceiling]:
    account, full = f"one account, {POSTS} POSTs/s", POSTS * EVENTS_PER_POST
    return (
        Ceiling(f"{account}, each event of another user", POSTS, "another account"),
        Ceiling(f"{account}, {EVENTS_PER_POST} events in each", full, "another account, or a higher limit"),
        Ceiling(
            f"one user, if an answer takes {ANSWER:g} s", EVENTS_PER_POST / ANSWER, "`FORWARDER_MAX_EVENTS_PER_POST`"
        ),
    )


def _of_redis(costs: Costs) -> Sequence[Ceiling]:
    memory, network = f"the memory of one Redis, {NODE_BYTES // 2**30} GiB", f"{LINK_BITS / 1e9:g} Gbit/s"
    then = "a Redis Cluster, more masters"
    return (
        Ceiling(f"{memory}, after an hour without the API", NODE_BYTES / OUTAGE / costs.waiting_bytes, then),
        Ceiling("the thread of one Redis, events pushed one at a time", 1e6 / costs.node_us, "pushing several at once"),
        Ceiling("the thread of one Redis, events pushed many at once", 1e6 / costs.cheap_node_us, then),
        Ceiling(f"the network of one Redis, {network}", LINK_BITS / 8 / costs.redis_bytes, then),
    )


def _of_workers(costs: Costs) -> Sequence[Ceiling]:
    core, network = 1e6 / costs.worker_us, f"{LINK_BITS / 1e9:g} Gbit/s"
    return (
        Ceiling("the core of one worker, and so one list", core, "more lists and workers"),
        Ceiling(f"the network of one machine to the API, {network}", LINK_BITS / 8 / costs.body_bytes, "more machines"),
        Ceiling(f"{MOST_SHARDS:,} lists, with a core for each", MOST_SHARDS * core, "another queue"),
    )
