"""A real Redis Cluster, whose master dies and whose slot moves under load."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from forwarder import Durability, NotPushedError, Producer, PushError, SyncProducer
from forwarder.config import Settings
from forwarder.errors import UnreachableError
from forwarder.operations import redistribute as redistribution
from forwarder.queue import mover
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue, lists_of_a_queue
from forwarder.queue.sharding import shard_of
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.producers import KINDS
from tests.support.promises import check, observed
from tests.support.resharding import Crowd, reshard
from tests.support.servers.cluster import RunningCluster, cluster
from tests.support.service import WorkerProcess, accepted, command, environment, event, eventually, running, settings

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
        self.enough = asyncio.Event()
        self._nodes = nodes

    async def push(self, users: int = 200) -> None:
        """Pushes until told to stop, each time ten events of another user; each once, whatever becomes of it."""
        cluster = RedisCluster.from_url(f"redis://127.0.0.1:{self._nodes.nodes[1].port}", retry=Retry(NoBackoff(), 0))
        async with cluster:
            while not self.enough.is_set():
                first = len(self.pushed)
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


def _unexplained(process: WorkerProcess) -> list[object]:
    """Lists that a worker owned twice without having lost them or given them back."""
    owned: set[object] = set()
    found = []
    for line in process.lines():
        match line:
            case {"event": "lease acquired", "shard": shard}:
                found += [shard] if shard in owned else []
                owned.add(shard)
            case {"event": str(said), "shard": shard} if said.startswith(("lease lost", "giving a list back")):
                owned.discard(shard)
    return found


@pytest.mark.long
@fault(
    "cluster",
    "one of three masters is killed under load, and its replica is promoted",
    "its lists wait, the other lists continue; nothing that a replica had is lost",
    keeps=(1, 2, 3),
)
async def test_a_master_that_dies_costs_nothing_that_was_replicated(
    nodes: RunningCluster, api: Simulator, worker: Start, queue_name: str
) -> None:
    api.faults = Faults(latency=0.005)
    load = Load(nodes, queue_name)
    given = settings(nodes.url, queue_name, api, shards=SHARDS, max_events_per_post=10, lease_ttl=10.0)
    processes = [worker(given), worker(given)]
    pushing = asyncio.create_task(load.push())
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
    load.enough.set()
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
        assert _unexplained(process) == []


@fault(
    "cluster",
    "a slot moves to another master under load",
    "the worker waits for the move, then continues there",
    keeps=(1, 2, 3),
)
async def test_a_slot_that_moves_loses_and_doubles_nothing(
    nodes: RunningCluster, api: Simulator, worker: Start, queue_name: str
) -> None:
    api.faults = Faults(latency=0.005)
    load = Load(nodes, queue_name)
    process = worker(settings(nodes.url, queue_name, api, shards=SHARDS, max_events_per_post=10))
    pushing = asyncio.create_task(load.push())
    await eventually(lambda: api.ledger.accepted_events > 500)
    name = load.lists[0]
    source = await nodes.owner(name)
    to = next(node for node in [await nodes.owner(each) for each in load.lists] if node is not source)
    began = time.monotonic()
    moved = await nodes.migrate(name, to)
    print(f"{moved} keys moved in {time.monotonic() - began:.1f} s")
    load.enough.set()
    await pushing
    await eventually(lambda: nodes.drained(load.lists), within=60, what="all lists are drained")
    async with connect(nodes.url) as redis:
        verdict = check(await observed(load.pushed, api, redis, *load.lists, uncertain=load.uncertain))
    assert (verdict.faults, verdict.explained) == ({}, [])
    assert (await nodes.owner(name)) is to
    assert await process.stopped() == 0


async def test_the_commands_work_on_a_cluster(
    nodes: RunningCluster, api: Simulator, queue_name: str, tmp_path: Path
) -> None:
    given = environment(settings(nodes.url, queue_name, api, shards=SHARDS))
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(event(f"u-{number}", number) + b"\n" for number in range(40)))
    for pushed in (40, 0):
        code, out, err = await command("push", "--once", str(file), environment=given)
        assert (code, f"pushed {pushed} events" in out) == (0, True), (out, err)
    for words in (["status"], ["audit"], ["check"], ["dead", "list"], ["resume"]):
        code, out, err = await command(*words, environment=given)
        assert code == 0, (words, out, err)


async def test_producers_push_to_the_nodes_that_serve_the_lists(
    nodes: RunningCluster, api: Simulator, worker: Start, queue_name: str
) -> None:
    """With both producers and WAIT, while the slot of a list moves: that it moved costs nothing but time."""
    users = [f"u{n}" for n in range(40)]
    durability = Durability(replicas=1, within=5.0)
    lists = [Keys(queue_name, shard, of=SHARDS).list for shard in range(SHARDS)]
    numbers = itertools.count()

    def some() -> list[dict[str, object]]:
        return [{"user_id": user, "name": "test", "date": "2026-01-01", "n": next(numbers)} for user in users]

    async with Producer(nodes.url, queue=queue_name, shards=SHARDS, durability=durability) as producer:
        await producer.push_many(some())
        source = await nodes.owner(lists[0])
        to = next(node for node in [await nodes.owner(each) for each in lists] if node is not source)
        await nodes.migrate(lists[0], to)
        await producer.push_many(some())
        with SyncProducer(nodes.url, queue=queue_name, shards=SHARDS, durability=durability) as blocking:
            await asyncio.to_thread(blocking.push_many, some())
            await nodes.migrate(lists[0], source)
            await asyncio.to_thread(blocking.push_many, some())
        await producer.push_many(some())
    worker(settings(nodes.url, queue_name, api, shards=SHARDS))
    await eventually(lambda: api.ledger.accepted_events == 5 * len(users), within=40)
    pushed = {user: [n + 40 * turn for turn in range(5)] for n, user in enumerate(users)}
    assert accepted(api) == pushed


@fault(
    "cluster",
    "a slot is being moved for longer than a push is repeated",
    "the push says that it was not pushed; repeated with its key after the move, it is pushed once",
    keeps=(1, 3),
)
async def test_a_push_during_a_long_move_of_its_slot_is_refused_whole(nodes: RunningCluster, queue_name: str) -> None:
    """Redis Cluster refuses a script of two keys in a slot that moves, even if the list has not moved yet."""
    source = await nodes.owner(queue_name)
    owners = [await nodes.owner(f"{queue_name}-{number}") for number in range(40)]
    to = next(node for node in owners if node.id != source.id)
    async with connect(nodes.url) as redis, Producer(nodes.url, queue=queue_name, retry_for=0.2) as producer:
        await producer.push_many([event("u", 0)], idempotency_key="zero")
        slot = await source.ask("CLUSTER", "KEYSLOT", queue_name)
        await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
        for key in (None, "one"):
            with pytest.raises(NotPushedError, match="is being moved to another node of the cluster"):
                await producer.push_many([event("u", 1)], idempotency_key=key)
        await nodes.migrate(queue_name, to)
        for _ in range(2):
            await producer.push_many([event("u", 0)], idempotency_key="zero")
            await producer.push_many([event("u", 1)], idempotency_key="one")
        assert await redis.lrange(queue_name, 0, -1) == [event("u", 0), event("u", 1)]
        await nodes.migrate(queue_name, source)


@fault(
    "cluster",
    "slots move to other masters while `forwarder reshard` moves events",
    "the command follows, or says that running it again finishes the work",
    keeps=(1, 2, 3),
)
async def test_slots_that_move_during_a_resharding_lose_and_double_nothing(
    nodes: RunningCluster, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redistribution, "PAGE", 7)
    monkeypatch.setattr(mover, "PAGE", 7)
    async with connect(nodes.url) as redis:
        crowd, shards = Crowd(redis, queue_name, random.Random(1)), 1
        for after in (4, 3, 1):
            await crowd.push(shards, 100)
            await crowd.work(shards, claim=20, settle=10)
            migrating = asyncio.create_task(
                _migrate_all(nodes, [each.list for each in lists_of_a_queue(queue_name, 4)])
            )
            while await Queue(redis, queue_name, 1).shards() != str(after):
                with contextlib.suppress(UnreachableError):
                    await reshard(nodes.url, queue_name, after)
            await migrating
            await crowd.check(after)
            shards = after


async def _migrate_all(nodes: RunningCluster, lists: Sequence[str]) -> None:
    """Each list to the next master."""
    owners = [await nodes.owner(name) for name in lists]
    masters = list({node.id: node for node in owners}.values())
    for name, owner in zip(lists, owners, strict=True):
        await nodes.migrate(name, masters[(masters.index(owner) + 1) % len(masters)])


async def test_a_producer_says_what_was_pushed_when_a_node_is_down(nodes: RunningCluster, queue_name: str) -> None:
    lists = [Keys(queue_name, shard, of=SHARDS).list for shard in range(SHARDS)]
    events = [{"user_id": f"u{n}", "name": "test"} for n in range(100)]
    async with Producer(nodes.url, queue=queue_name, shards=SHARDS, retry_for=0) as producer:
        await producer.push_many(events)
        frozen = await nodes.owner(lists[0])
        its = {name for name in lists if await nodes.owner(name) is frozen}
        frozen.server.kill()
        try:
            with pytest.raises(PushError) as caught:
                await producer.push_many(events)
            failed = {lists[shard_of(str(events[n]["user_id"]), SHARDS)] for n in caught.value.not_pushed}
            maybe = {lists[shard_of(str(events[n]["user_id"]), SHARDS)] for n in caught.value.uncertain}
            assert failed | maybe == its
            assert len(caught.value.pushed) == len(events) - len(caught.value.not_pushed) - len(caught.value.uncertain)

            async def again() -> bool:
                try:
                    await producer.push_many(events)
                except PushError:
                    return False
                return True

            await eventually(again, within=40, what="the replica takes over")
        finally:
            frozen.server.restart()


@fault(
    "failover",
    "a producer pushes while a master of the cluster is dead, until its replica is promoted",
    "the push waits and ends without an error; each event is in its list once",
    keeps=(1, 3),
)
async def test_a_push_outlasts_the_failover_of_a_master(nodes: RunningCluster, queue_name: str) -> None:
    lists = [Keys(queue_name, shard, of=SHARDS).list for shard in range(SHARDS)]
    ours = [[event(f"u{user}", 1_000 * turn + user) for user in range(100)] for turn in range(2)]
    async with AsyncExitStack() as stack:
        producers: list[Any] = [
            await stack.enter_async_context(kind(nodes.url, queue=queue_name, shards=SHARDS, retry_for=30))
            for kind in KINDS
        ]
        for producer in producers:
            await producer.push("first", "n")
        dead = await nodes.owner(lists[0])
        dead.server.kill()
        try:
            await asyncio.gather(*(producer.push_many(each) for producer, each in zip(producers, ours, strict=True)))
            async with connect(nodes.url) as redis:
                there: list[bytes] = []
                for name in lists:
                    there += cast("list[bytes]", await cast("Any", redis.lrange(name, 0, -1)))
        finally:
            dead.server.restart()
    found = [each for each in there if b'"first"' not in each]
    assert sorted(found) == sorted([*ours[0], *ours[1]])


@pytest.mark.long
async def test_a_master_that_hangs_does_not_hold_up_the_lists_of_a_dead_worker_on_other_masters(
    nodes: RunningCluster, queue_name: str, api: Simulator
) -> None:
    """Its replica hangs too, so nobody is promoted. Each command to it takes five seconds to fail."""
    fleet = await nodes.owner(QueueKeys(queue_name).workers)
    owners = {shard: await nodes.owner(Keys(queue_name, shard, of=SHARDS).list) for shard in range(SHARDS)}
    hanging = next(owner for owner in owners.values() if owner is not fleet)
    replica = str((await hanging.ask("CLUSTER", "REPLICAS", hanging.id))[0], "ascii").split()[0]
    frozen = [node.server.pid for node in nodes.nodes if node.id in {hanging.id, replica}]
    assert len(frozen) == 2
    async with connect(nodes.url) as redis:
        lists = Queue(redis, queue_name, SHARDS)
        for shard in range(SHARDS):
            await lists.lease(shard, ttl=4.0, owner="died", clock=time.monotonic).acquire()

        async def taken() -> bool:
            here = [lists.lists[shard] for shard, owner in owners.items() if owner is not hanging]
            return not {"", "died"} & {(await each.census()).owner for each in here}

        async with running(settings(nodes.url, queue_name, api, shards=SHARDS)):
            await asyncio.sleep(1.5)  # it knows that it is due all lists
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            try:
                await eventually(taken, within=14.0, what="the lists on other masters have an owner")
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
