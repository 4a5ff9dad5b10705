"""A real Redis Cluster, whose master dies and whose slot moves under load."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from forwarder.config import Settings
from forwarder.queue import Keys, connect
from forwarder.shards import shard_of
from forwarder.simulator import Faults, Simulator
from tests.cluster import RunningCluster, cluster
from tests.faults import fault
from tests.history import check, observed
from tests.rig import WorkerProcess, command, environment, event, eventually, settings

Start = Callable[[Settings], WorkerProcess]

SHARDS = 8


@pytest.fixture(scope="module")
def nodes() -> Iterator[RunningCluster]:
    with cluster() as found:
        yield found


class Load:
    """Events that are pushed with WAIT, a few at a time, so that it is known which ones a replica has too."""

    def __init__(self, nodes: RunningCluster, queue: str) -> None:
        self.lists = [Keys(queue, shard, of=SHARDS).list for shard in range(SHARDS)]
        self.pushed: list[bytes] = []
        #: Not known to be on a replica: they may be anywhere, or nowhere.
        self.uncertain: set[int] = set()
        self._nodes = nodes

    async def push(self, count: int, users: int = 200) -> None:
        """Pushes so many events, each ten of them of another user; once, whatever becomes of them."""
        cluster = RedisCluster.from_url(f"redis://127.0.0.1:{self._nodes.nodes[1].port}", retry=Retry(NoBackoff(), 0))
        async with cluster:
            for first in range(len(self.pushed), len(self.pushed) + count, 10):
                user = f"u{first // 10 % users}"
                elements = [event(user, number) for number in range(first, first + 10)]
                self.pushed += elements
                if not await self._replicated(cluster, self.lists[shard_of(user, SHARDS)], elements):
                    self.uncertain.update(range(first, first + 10))

    async def _replicated(self, cluster: RedisCluster, name: str, elements: Sequence[bytes]) -> bool:
        try:
            await cluster.rpush(name, *elements)
            node = cluster.get_node_from_key(name)
            return node is not None and int(await node.execute_command("WAIT", 1, 500)) >= 1
        except (RedisError, RedisClusterException, OSError):
            return False


@fault(
    "cluster",
    "a master of three is killed under load, its replica is promoted",
    "its lists wait for that, the others flow on; nothing is lost that a replica had",
    keeps=(1, 2, 3),
)
async def test_a_master_that_dies_costs_nothing_that_was_replicated(
    nodes: RunningCluster, api: Simulator, worker: Start, queue_name: str
) -> None:
    api.faults = Faults(latency=0.005)
    load = Load(nodes, queue_name)
    given = settings(nodes.url, queue_name, api, shards=SHARDS, max_events_per_post=10, lease_ttl=10.0)
    processes = [worker(given), worker(given)]
    pushing = asyncio.create_task(load.push(12_000))
    await eventually(lambda: api.ledger.accepted_events > 2_000)
    dead = await nodes.owner(load.lists[0])
    killed, began = api._clock(), time.monotonic()
    dead.server.kill()
    await nodes.promoted(load.lists[0], dead)
    promoted = time.monotonic() - began
    mine = {user for user in (f"u{n}" for n in range(200)) if load.lists[shard_of(user, SHARDS)] == load.lists[0]}

    def served() -> bool:
        lately = api.ledger.accepted[-200:]
        return any(post.user in mine and post.request and post.request.at > killed + promoted for post in lately)

    await eventually(served, within=40, what="the lists of the dead master flow again")
    print(f"promoted after {promoted:.1f} s, its lists flow again after {time.monotonic() - began:.1f} s")
    await pushing
    dead.server.restart()
    await eventually(lambda: nodes.drained(load.lists), within=60, what="all lists are drained")
    async with connect(nodes.url) as redis:
        history = await observed(
            load.pushed,
            api,
            redis,
            *load.lists,
            disturbances=[killed],
            uncertain=load.uncertain,
            unsettled=[(killed - 1, killed + 30)],
        )
    verdict = check(history)
    print(
        f"{len(load.pushed)} events, {len(load.uncertain)} not known to be replicated, {len(verdict.explained)} twice"
    )
    assert verdict.faults == {}
    for process in processes:
        assert await process.stopped() == 0


@fault(
    "cluster", "a slot moves to another master under load", "waits for the move, then goes on there", keeps=(1, 2, 3)
)
async def test_a_slot_that_moves_loses_and_doubles_nothing(
    nodes: RunningCluster, api: Simulator, worker: Start, queue_name: str
) -> None:
    api.faults = Faults(latency=0.005)
    load = Load(nodes, queue_name)
    process = worker(settings(nodes.url, queue_name, api, shards=SHARDS, max_events_per_post=10))
    pushing = asyncio.create_task(load.push(6_000))
    await eventually(lambda: api.ledger.accepted_events > 500)
    name = load.lists[0]
    source = await nodes.owner(name)
    to = next(node for node in [await nodes.owner(each) for each in load.lists] if node is not source)
    began = time.monotonic()
    moved = await nodes.migrate(name, to)
    print(f"{moved} keys moved in {time.monotonic() - began:.1f} s")
    await pushing
    await eventually(lambda: nodes.drained(load.lists), within=60, what="all lists are drained")
    async with connect(nodes.url) as redis:
        verdict = check(await observed(load.pushed, api, redis, *load.lists, uncertain=load.uncertain))
    assert (verdict.faults, verdict.explained) == ({}, [])
    assert (await nodes.owner(name)) is to
    assert await process.stopped() == 0


async def test_the_commands_work_on_a_cluster(nodes: RunningCluster, api: Simulator, queue_name: str) -> None:
    given = environment(settings(nodes.url, queue_name, api, shards=SHARDS))
    for words in (["status"], ["audit"], ["check"], ["dead", "list"], ["resume"]):
        code, out, err = await command(*words, environment=given)
        assert code == 0, (words, out, err)
