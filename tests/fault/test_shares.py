"""Several lists, and workers that come, stop and die under load: the lists are shared fairly, and no event suffers."""

import asyncio
import hashlib
import itertools
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.fleet import Fleet as Attendance
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import list_name, shard_of
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.owners import owners, shared_fairly
from tests.support.promises import check, observed
from tests.support.servers.cluster import cluster
from tests.support.servers.proxy import Proxy
from tests.support.service import WorkerProcess, event, eventually, port_of, settings

Start = Callable[[Settings], WorkerProcess]

SHARDS = 8
LEASE = 3.0


class Fleet:
    """Workers as processes, and who holds what."""

    def __init__(self, given: Settings, start: Start, lists: Queue) -> None:
        self.given = given
        self._start = start
        self.lists = lists
        self.workers: list[WorkerProcess] = []

    def grow(self, count: int) -> None:
        self.workers += [self._start(self.given) for _ in range(count)]

    async def fair(self, *, within: float) -> float:
        """Waits until every list has an owner and all have equally many; tells how many seconds that took."""
        began, workers = time.monotonic(), len(self.workers)
        await eventually(lambda: _fair(self.lists, workers), within=within, what=f"{workers} workers share the lists")
        return time.monotonic() - began


def spread(elements: Iterable[tuple[str, bytes]], queue: str) -> Mapping[str, Sequence[bytes]]:
    """The events of users, by the list they belong on."""
    found: dict[str, list[bytes]] = {}
    for user, element in elements:
        found.setdefault(list_name(queue, shard_of(user, SHARDS), SHARDS), []).append(element)
    return found


_SHARED = "the lists are shared fairly again, and never have two owners"
_COME_AND_GO = "workers of 8 shards go 1 → 4 → 2 → 4, by clean stops and SIGKILL, under load"


@pytest.fixture(
    params=[
        pytest.param("one Redis", marks=fault("process", _COME_AND_GO, _SHARED, keeps=(1, 2, 3))),
        pytest.param("cluster", marks=[pytest.mark.long, fault("cluster", _COME_AND_GO, _SHARED, keeps=(1, 2, 3))]),
    ]
)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of one Redis, and of a cluster."""
    if request.param == "cluster":
        with cluster() as nodes:
            yield nodes.url
    else:
        yield request.getfixturevalue("redis_url")


@pytest.mark.timeout(240)
async def test_workers_that_come_and_go_share_the_lists_fairly_and_lose_nothing(
    url: str, queue_name: str, api: Simulator, worker: Start
) -> None:
    async with connect(url) as redis:
        await _come_and_go(url, redis, queue_name, api, worker)


async def _come_and_go(url: str, redis: Redis, queue_name: str, api: Simulator, worker: Start) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    api.faults = Faults(latency=0.01, latency_jitter=0.02)
    given = settings(
        url,
        queue_name,
        api,
        shards=SHARDS,
        max_events_per_post=10,
        concurrency=16,
        lease_ttl=LEASE,
        request_timeout=1.0,
    )
    fleet = Fleet(given, worker, Queue(redis, queue_name, SHARDS))
    pushed: list[bytes] = []
    numbers = itertools.count()

    async def push(count: int) -> None:
        more = [(user, event(user, next(numbers))) for user in (f"u{dice.randrange(400)}" for _ in range(count))]
        for name, elements in spread(more, queue_name).items():
            await redis.rpush(name, *elements)
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
    before = await owners(fleet.lists)

    async def drained() -> bool:
        found = await fleet.lists.censuses()
        assert not any(any(census.imbalances.values()) for census in found), found
        return not any(census.waiting + census.claimed for census in found)

    await eventually(drained, within=60, what="all lists are drained")
    assert await owners(fleet.lists) == before, "nothing moves when nobody comes or goes"
    history = await observed(
        pushed,
        api,
        redis,
        *[list_name(queue_name, shard, SHARDS) for shard in range(SHARDS)],
        disturbances=kills,
        in_time=0.5,  # a worker gives up after 1.0
    )
    verdict = check(history)
    print(f"{len(pushed)} events, {len(verdict.explained)} doubled by the kill")
    assert verdict.faults == {}


async def test_a_worker_with_another_number_of_shards_does_not_start(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    first = worker(settings(redis_url, queue_name, api, shards=2))
    await eventually(lambda: any(line["event"] == "delivering" for line in first.lines()))
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
        Queue(redis_client, queue_name, SHARDS),
    )
    fleet.grow(2)
    await fleet.fair(within=30)
    assert await fleet.workers.pop().stopped() == 0
    assert await fleet.fair(within=15) < 15


async def test_a_list_whose_acquisition_got_no_reply_is_given_back_when_it_is_not_needed_any_more(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """Its lease is a minute long, and nobody drains it as long as another worker cannot take it."""
    second = Keys(queue_name, 1, of=2)
    async with Proxy(port_of(redis_url)) as proxy:
        proxy.loses_reply_to = lambda data: second.lease.encode() in data
        # A Redis that has not got the script would say so, and that reply is lost too.
        await redis_client.script_load(scripts.source("release"))
        first = worker(settings(proxy.url, queue_name, api, shards=2, lease_ttl=60.0))
        await eventually(lambda: redis_client.exists(second.lease), what="it is acquired, and nobody is told")
        assert not [line for line in first.lines() if (line["event"], line.get("shard")) == ("lease acquired", 1)]
        worker(settings(redis_url, queue_name, api, shards=2, lease_ttl=60.0))
        lists = Queue(redis_client, queue_name, 2)
        await eventually(lambda: _fair(lists, 2), what="each worker has one of the two lists")


async def test_leases_that_nobody_needs_are_given_back_though_one_of_them_has_to_wait(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """In a cluster each may be on another node, and it takes seconds to find out that one of them is gone."""
    leases = [Keys(queue_name, shard, of=4).lease for shard in range(1, 4)]
    await redis_client.script_load(scripts.source("release"))
    acquire = digest("acquire")
    async with Proxy(port_of(redis_url)) as proxy:
        proxy.loses_reply_to = lambda data: acquire in data and any(lease.encode() in data for lease in leases)
        first = worker(settings(proxy.url, queue_name, api, shards=4, lease_ttl=60.0))
        await eventually(lambda: _held(redis_client, leases, 3), what="all are acquired, and nobody is told")
        proxy.stop_at("release", "after")
        for number in range(3):
            other = Attendance(redis_client, queue_name, 4, name=f"other {number}", remembered=60.0)
            await other.attend()
        await asyncio.wait_for(proxy.reached.wait(), 30)
        await eventually(lambda: _held(redis_client, leases, 0), what="all are given back")
        assert not any("in time" in line.get("error", "") for line in first.lines()), "while it waits for one reply"


async def test_a_stop_amid_an_acquisition_is_in_good_order_though_redis_then_fails(
    redis_url: str, queue_name: str, api: Simulator, worker: Start
) -> None:
    release = digest("release")
    async with Proxy(port_of(redis_url)) as proxy:
        proxy.stop_at("acquire", "after")
        process = worker(settings(proxy.url, queue_name, api))
        await asyncio.wait_for(proxy.reached.wait(), 30)
        proxy.loses_reply_to = lambda data: release in data
        process.process.send_signal(signal.SIGTERM)
        await eventually(lambda: any("finishing" in line["event"] for line in process.lines()))
        proxy.go_on()
        await eventually(lambda: process.process.poll() is not None, what="it ends")
    assert process.process.returncode == 0, process.log.read_text()


def digest(script: str) -> bytes:
    """As which the commands to Redis name a script."""
    return hashlib.sha1(scripts.source(script).encode(), usedforsecurity=False).hexdigest().encode()


async def _held(redis: Redis, leases: Sequence[str], count: int) -> bool:
    return int(await redis.exists(*leases)) == count


async def test_a_list_that_could_not_be_given_back_is_given_back_as_soon_as_redis_serves_it_again(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, worker: Start
) -> None:
    """Long before its lease ends; Redis refuses the lists of one worker, and serves what the fleet has in common."""
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis:
        await redis.acl_setuser("first", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
        given = settings(server.url, queue_name, api, shards=2, lease_ttl=60.0)
        first = worker(given.model_copy(update={"redis_url": SecretStr(server.url.replace("//", "//first:x@", 1))}))
        lists = Queue(redis, queue_name, 2)
        await eventually(lambda: _fair(lists, 1), what="one worker has both lists")
        await redis.execute_command("ACL", "SETUSER", "first", "resetkeys", f"~{{{queue_name}}}:*")  # type: ignore[no-untyped-call]
        worker(given)
        await eventually(lambda: any("could not release" in line["event"] for line in first.lines()))
        await redis.execute_command("ACL", "SETUSER", "first", "~*")  # type: ignore[no-untyped-call]
        await eventually(lambda: _fair(lists, 2), what="each worker has one of them")


async def _fair(lists: Queue, workers: int) -> bool:
    return shared_fairly(await owners(lists), workers)
