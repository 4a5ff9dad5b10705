"""One run of a fleet: workers up and their lists shared, the backlog let go, until all of it is settled."""

import asyncio
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import shard_of
from forwarder.queue.wire.connection import connect
from tests.programs.bench.machine import cpu_seconds, peak_bytes
from tests.programs.bench.measure import FailedError, await_end, started
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import Run
from tests.programs.bench.sink import Sink
from tests.programs.bench.store import Store, one_redis
from tests.programs.bench.work import Work
from tests.support.owners import owners, shared_fairly
from tests.support.service import eventually

SHARDS = 4
#: Who push at the same time: a Redis that wakes up for each push by itself would take several times the CPU.
PRODUCERS = 20
_QUEUE = "events"
_LISTS = [Keys(_QUEUE, shard, of=SHARDS) for shard in range(SHARDS)]
#: Elements in one RPUSH.
_PAGE = 1_000
_LONGEST = 120.0
#: Seconds in which nginx writes down what has arrived.
_WRITTEN = 0.3


@dataclass(frozen=True)
class Case:
    """Which fleet, and in which turn."""

    store: str
    workers: int
    #: POSTs a second of each worker; 0 is no limit.
    rate: int
    turn: int


@dataclass(frozen=True)
class FleetRun(Case):
    """What one run showed. Every event had arrived exactly once, or there would be no such run."""

    events: int
    #: That can carry these events.
    fewest_posts: int
    seconds: float
    posts: int
    #: CPU per event: of all workers together, of the masters of Redis, and of their replicas.
    cpu_us: float
    master_us: float
    replica_us: float
    #: Of the worker that had most.
    peak_bytes: int
    #: Of Redis' memory, for one waiting event.
    waiting_bytes: float
    #: Between Redis and its clients, per event, from the list to its settlement.
    network_bytes: float


class _Sharded(ForwarderPeer):
    def environment(self, run: Run) -> dict[str, str]:
        return {**super().environment(run), "FORWARDER_SHARDS": str(SHARDS)}


def measure_fleet(store: Store, case: Case, work: Work, folder: Path) -> FleetRun:
    """Drains `work` from a store that is empty. Raises FailedError unless every event arrives exactly once."""
    folder.mkdir(parents=True)
    with Sink(folder) as sink, ExitStack() as stack:
        waiting = asyncio.run(_load(store, work))
        runs = [
            _run(work, case.rate * case.workers, store, sink, folder / str(number)) for number in range(case.workers)
        ]
        with ThreadPoolExecutor() as pool:
            fleet = list(pool.map(lambda run: stack.enter_context(started(_Sharded(), run)), runs))
        asyncio.run(await_fair(store.url, case.workers))
        before, begun = _used(store, fleet), time.time()
        asyncio.run(_release(store))
        await_end(sink, work, fleet[0], _LONGEST)
        asyncio.run(_await_settled(store, sink, work))
        after = _used(store, fleet)
        if any(process.poll() is not None for process in fleet):
            raise FailedError("a worker ended")
        peak = max(peak_bytes(process.pid) for process in fleet)
    shutil.rmtree(folder)
    count = len(work.events)
    cpu, masters, replicas, network = ((now - then) / count for now, then in zip(after, before, strict=True))
    return FleetRun(
        **asdict(case),
        events=count,
        fewest_posts=len(work.posts),
        seconds=sink.last - begun,
        posts=sink.posts,
        cpu_us=cpu * 1e6,
        master_us=masters * 1e6,
        replica_us=replicas * 1e6,
        peak_bytes=peak,
        waiting_bytes=waiting / count,
        network_bytes=network,
    )


def _run(work: Work, rate: int, store: Store, sink: Sink, folder: Path) -> Run:
    folder.mkdir()
    return Run(work, rate, store.url, sink.url, folder)


def _used(store: Store, fleet: Sequence[subprocess.Popen[bytes]]) -> tuple[float, float, float, float]:
    workers = sum(cpu_seconds(process.pid) for process in fleet)
    return workers, store.masters_cpu(), store.replicas_cpu(), float(store.network_bytes())


def _spread(work: Work) -> Mapping[int, Sequence[bytes]]:
    found: dict[int, list[bytes]] = defaultdict(list)
    for user, element in zip(work.users, work.elements, strict=True):
        found[shard_of(user, SHARDS)].append(element)
    return found


def _held(keys: Keys) -> str:
    """Where a list's backlog waits until the workers are up: in the list's own slot, so that it can be renamed."""
    return f"{{{keys.list}}}:held"


async def _load(store: Store, work: Work) -> int:
    """Tells how many bytes of Redis' memory the backlog takes."""
    async with connect(store.url) as redis:
        for shard, elements in _spread(work).items():
            for start in range(0, len(elements), _PAGE):
                await redis.rpush(_held(_LISTS[shard]), *elements[start : start + _PAGE])
        return sum([await redis.memory_usage(_held(keys), samples=0) or 0 for keys in _LISTS])


async def _release(store: Store) -> None:
    async with connect(store.url) as redis:
        for keys in _LISTS:
            if await redis.exists(_held(keys)):
                await redis.rename(_held(keys), keys.list)


async def await_fair(url: str, workers: int, *, lists: int = SHARDS) -> None:
    """Until each of them owns equally many lists, or one more. Raises AssertionError after 30 seconds."""
    async with connect(url) as redis:
        queue = Queue(redis, _QUEUE, lists)

        async def fair() -> bool:
            return shared_fairly(await owners(queue), workers)

        await eventually(fair, within=30, what=f"{workers} workers share {lists} lists")


async def _await_settled(store: Store, sink: Sink, work: Work) -> None:
    """Until Redis has counted every event as accepted. Raises FailedError if it, or the sink, counts another number."""
    async with connect(store.url) as redis:
        lists = Queue(redis, _QUEUE, SHARDS)

        async def settled() -> bool:
            found = await lists.censuses()
            return not any(each.waiting + each.claimed for each in found)

        try:
            await eventually(settled, within=10, what="everything is settled")
        except AssertionError as error:
            raise FailedError(str(error)) from None
        accepted = sum(census.accepted for census in await lists.censuses())
    await asyncio.sleep(_WRITTEN)
    sink.look()
    if (accepted, sink.payload) != (len(work.events), work.payload):
        arrived = f"{accepted:,} of {len(work.events):,} events accepted, {sink.payload:,} of {work.payload:,} bytes"
        raise FailedError(f"not everything arrived exactly once: {arrived}")


def push_us(work: Work, at_once: int) -> float:
    """CPU that Redis takes for a pushed event, in microseconds, with so many in one RPUSH, by :data:`PRODUCERS`."""
    with one_redis() as store:
        used = store.masters_cpu()
        asyncio.run(_push(store, work.elements, at_once))
        return (store.masters_cpu() - used) / len(work.elements) * 1e6


async def _push(store: Store, elements: Sequence[bytes], at_once: int) -> None:
    async def producer(its: Sequence[bytes]) -> None:
        async with connect(store.url) as redis:
            for start in range(0, len(its), at_once):
                await redis.rpush(_QUEUE, *its[start : start + at_once])

    await asyncio.gather(*(producer(elements[number::PRODUCERS]) for number in range(PRODUCERS)))
