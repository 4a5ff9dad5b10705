"""Several lists, and workers that come, stop and die under load: the lists are shared fairly, and no event suffers."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.lists import Lists
from forwarder.shards import list_name, shard_of
from forwarder.simulator import Faults, Simulator
from tests.faults import fault
from tests.history import check, observed
from tests.rig import WorkerProcess, event, eventually, settings

Start = Callable[[Settings], WorkerProcess]

SHARDS = 8
LEASE = 3.0


class Fleet:
    """Workers as processes, and who holds what."""

    def __init__(self, given: Settings, start: Start, lists: Lists) -> None:
        self.given = given
        self._start = start
        self.lists = lists
        self.workers: list[WorkerProcess] = []

    def grow(self, count: int) -> None:
        self.workers += [self._start(self.given) for _ in range(count)]

    async def owners(self) -> list[str | None]:
        """The worker that holds each list, by the beginning of its token."""
        leases = [(await records.census()).lease for records in self.lists]
        return [lease and lease.partition("-")[0] for lease in leases]

    async def fair(self, *, within: float) -> float:
        """Waits until every list has an owner and all have equally many; tells how many seconds that took."""
        began = time.monotonic()

        async def shared() -> bool:
            held = await self.owners()
            counts = {owner: held.count(owner) for owner in held if owner}
            workers = len(self.workers)
            expected = sorted(SHARDS // workers + (rank < SHARDS % workers) for rank in range(workers))
            return None not in held and sorted(counts.values()) == expected

        await eventually(shared, within=within, what=f"{len(self.workers)} workers share {SHARDS} lists")
        return time.monotonic() - began


def spread(elements: Iterable[tuple[str, bytes]], queue: str) -> Mapping[str, Sequence[bytes]]:
    """The events of users, by the list they belong on."""
    found: dict[str, list[bytes]] = {}
    for user, element in elements:
        found.setdefault(list_name(queue, shard_of(user, SHARDS), SHARDS), []).append(element)
    return found


@pytest.mark.timeout(240)
@fault(
    "process",
    "workers of 8 shards go 1 → 4 → 2 → 4, by clean stops and SIGKILL, under load",
    "the lists are shared fairly again, and never have two owners",
    keeps=(1, 2, 3),
)
async def test_workers_that_come_and_go_share_the_lists_fairly_and_lose_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    api.faults = Faults(latency=0.01, latency_jitter=0.02)
    given = settings(
        redis_url,
        queue_name,
        api,
        shards=SHARDS,
        max_events_per_post=10,
        concurrency=16,
        lease_ttl=LEASE,
        request_timeout=1.0,
    )
    fleet = Fleet(given, worker, Lists(redis_client, queue_name, SHARDS))
    pushed: list[bytes] = []
    numbers = itertools.count()

    async def push(count: int) -> None:
        more = [(user, event(user, next(numbers))) for user in (f"u{dice.randrange(400)}" for _ in range(count))]
        for name, elements in spread(more, queue_name).items():
            await redis_client.rpush(name, *elements)
        pushed.extend(element for _, element in more)

    kills: list[float] = []
    await push(4_000)
    fleet.grow(1)
    print(f"1 worker has all lists after {await fleet.fair(within=30):.1f} s")
    await push(4_000)
    fleet.grow(3)
    print(f"1 → 4: fair after {await fleet.fair(within=30):.1f} s, start of the processes included")

    await push(4_000)
    stopped, killed = fleet.workers.pop(dice.randrange(4)), fleet.workers.pop(dice.randrange(3))
    killed.kill()
    kills.append(api._clock())
    assert await stopped.stopped() == 0
    print(f"4 → 2, one stopped and one killed: fair after {await fleet.fair(within=2 * LEASE + 10):.1f} s")

    await push(4_000)
    fleet.grow(2)
    print(f"2 → 4: fair after {await fleet.fair(within=30):.1f} s")
    await push(2_000)
    before = await fleet.owners()

    async def drained() -> bool:
        found = [await records.census() for records in fleet.lists]
        assert not any(any(census.imbalances.values()) for census in found), found
        return not any(census.waiting + census.claimed for census in found)

    await eventually(drained, within=60, what="all lists are drained")
    assert await fleet.owners() == before, "nothing moves when nobody comes or goes"
    history = await observed(
        pushed,
        api,
        redis_client,
        *[list_name(queue_name, shard, SHARDS) for shard in range(SHARDS)],
        disturbances=kills,
    )
    verdict = check(history)
    print(f"{len(pushed)} events, {len(verdict.explained)} doubled by the kill")
    assert verdict.faults == {}


async def test_a_worker_with_another_number_of_shards_does_not_start(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    first = worker(settings(redis_url, queue_name, api, shards=2))
    await eventually(lambda: any(line["event"] == "draining" for line in first.lines()))
    other = worker(settings(redis_url, queue_name, api, shards=3))
    await eventually(lambda: other.process.poll() is not None)
    assert other.process.returncode == 78
    assert "FORWARDER_SHARDS is 3" in other.log.read_text()
    assert "has 2 shards" in other.log.read_text()
    assert await first.stopped() == 0


async def test_a_stopped_workers_lists_are_taken_at_once(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """Long before its leases, or what is known of it, would end."""
    fleet = Fleet(
        settings(redis_url, queue_name, api, shards=SHARDS, lease_ttl=60.0),
        worker,
        Lists(redis_client, queue_name, SHARDS),
    )
    fleet.grow(2)
    await fleet.fair(within=30)
    assert await fleet.workers.pop().stopped() == 0
    assert await fleet.fair(within=15) < 15
