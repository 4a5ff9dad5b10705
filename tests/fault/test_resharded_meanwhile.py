"""What else touches a queue while `forwarder reshard` moves it, or afterwards with the old number of lists."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from forwarder import ConfigurationError, NotPushedError, Producer, SyncProducer
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.replay import Replay, Terms
from forwarder.dead_letters.selection import Filter
from forwarder.errors import ShardsDisagreeError
from forwarder.producer import pushes as producers
from forwarder.queue import mover
from forwarder.queue import queue as lists
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.simulator import Simulator
from forwarder.worker import shares
from tests.support.faults import fault
from tests.support.producers import KINDS, Kind
from tests.support.resharding import Crowd, reshard
from tests.support.servers.proxy import Proxy
from tests.support.service import event, port_of, running, settings

WHILE_IT_MOVES = fault(
    "process",
    "`forwarder dead replay` or `dead delete` runs while `forwarder reshard` moves the queue, or was begun before",
    "it is refused, and changes nothing",
    keeps=(1, 2, 3),
)


@pytest.fixture(autouse=True)
def _few_lists_among_which_to_look_for_strays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_SHARDS", 16)


@pytest.fixture
async def crowd(redis_client: Redis, queue_name: str) -> Crowd:
    """One list with dead letters, and with events that wait."""
    found = Crowd(redis_client, queue_name, random.Random(1))
    await found.push(1, 120)
    await found.work(1, claim=60, settle=60)
    return found


def letters(crowd: Crowd, shards: int) -> Letters:
    return Letters(Queue(crowd.redis, crowd.queue, shards))


@asynccontextmanager
async def moving(url: str, queue: str, after: int) -> AsyncIterator[None]:
    """A resharding from one list that has set everything aside, and is finished on leaving."""
    async with Proxy(port_of(url)) as proxy:
        await reshard(proxy.url, queue[::-1], 2)  # the scripts are known
        proxy.stop_at("unload_events", "before")
        running = asyncio.create_task(reshard(proxy.url, queue, after))
        await proxy.reached.wait()
        yield
        proxy.go_on()
        await running


@WHILE_IT_MOVES
async def test_a_letter_can_neither_be_replayed_nor_deleted_while_its_list_is_moved(
    redis_url: str, crowd: Crowd
) -> None:
    before = letters(crowd, 1)
    selection = await before.selection(None, Filter())
    some = [letter async for letter in before.each(selection)]
    async with moving(redis_url, crowd.queue, 3):
        with pytest.raises(ShardsDisagreeError, match="is moving the list"):
            await Replay(before, Terms(max_bytes=10_000)).run(selection)
        for letter in some[:3]:
            with pytest.raises(ShardsDisagreeError, match=f"`forwarder reshard` is moving the list '{crowd.queue}'"):
                await before.replay(letter, letter.element)
            with pytest.raises(ShardsDisagreeError, match="FORWARDER_SHARDS"):
                await before.delete(letter)
    await crowd.check(3)


@WHILE_IT_MOVES
@pytest.mark.parametrize("selected", ["by ID", "by a filter"])
async def test_a_replay_that_was_begun_before_a_move_stops_after_it(
    redis_url: str, crowd: Crowd, selected: str
) -> None:
    before = letters(crowd, 1)
    ids = [letter.id async for letter in before.select(Filter())] if selected == "by ID" else None

    async def resharded(_: float) -> None:
        await reshard(redis_url, crowd.queue, 3)

    replay = Replay(before, Terms(max_bytes=10_000, rate=1.0), sleep=resharded)
    with pytest.raises(ShardsDisagreeError, match="has 3 shards"):
        await replay.run(await before.selection(ids, Filter()))
    assert replay.report.replayed == 0
    await crowd.check(3)


@fault(
    "process",
    "a worker freezes while it asks for a list, `forwarder reshard` begins and is killed, and the worker wakes",
    "it gives the list back, and sends nothing",
    keeps=(1, 2, 3),
)
async def test_a_worker_that_slept_through_the_beginning_of_a_move_sends_nothing(
    redis_url: str, crowd: Crowd, api: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of claimed events is on its way. Whatever is sent now overtakes it."""
    await crowd.push(1, 40)
    await crowd.work(1, claim=20, settle=0)
    monkeypatch.setattr(mover, "PAGE", 5)
    monkeypatch.setattr(shares, "_HEARTBEAT", 60.0)  # the worker does not learn of the move by itself
    keys, of_all = Keys(crowd.queue), QueueKeys(crowd.queue)
    async with Proxy(port_of(redis_url)) as way, Proxy(port_of(redis_url)) as way_of_move:
        way.stop_at("acquire", "before")
        with pytest.RaisesGroup(pytest.RaisesExc(ShardsDisagreeError, match="being resharded"), flatten_subgroups=True):
            async with running(settings(way.url, crowd.queue, api)) as service:
                await way.reached.wait()
                await crowd.redis.delete(of_all.workers)  # it has been silent for long enough
                way_of_move.stop_at("load", "before")
                killed = asyncio.create_task(reshard(way_of_move.url, crowd.queue, 2))
                await way_of_move.reached.wait()
                killed.cancel()
                await crowd.redis.delete(keys.lease)  # 60 s later
                way.go_on()
                await asyncio.wait({service.task}, timeout=10)
    assert api.ledger.requests == []
    assert await crowd.redis.get(keys.lease) is None
    await reshard(redis_url, crowd.queue, 2)
    await crowd.redis.delete(of_all.about, of_all.counts, of_all.past)  # what the worker has said of itself
    await crowd.check(2)


@WHILE_IT_MOVES
async def test_an_edit_is_judged_by_the_number_of_lists_at_that_moment(redis_url: str, crowd: Crowd) -> None:
    """The letters of shard 0 stay there, and the user whom the edit names belongs to shard 0 of 2, but not of 4."""
    await reshard(redis_url, crowd.queue, 2)
    before = letters(crowd, 2)

    async def edit(element: bytes) -> bytes:
        await reshard(redis_url, crowd.queue, 4)
        return event("u-2", 1)

    with pytest.raises(ShardsDisagreeError, match="has 4 shards"):
        await Replay(before, Terms(max_bytes=10_000, edit=edit)).run(await before.selection(None, Filter()))
    await crowd.check(4)


@fault(
    "producer",
    "it has run since before `forwarder reshard`, with the old number of lists",
    "within a second its pushes are refused",
    keeps=(1,),
)
async def test_a_producer_soon_notices_another_number_of_lists(
    redis_url: str, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers, "_ASKED_EVERY", 0.0)
    with SyncProducer(redis_url, queue=crowd.queue) as blocking:
        async with Producer(redis_url, queue=crowd.queue) as producer:
            pushes: list[Callable[[], Awaitable[None]]] = [
                lambda: producer.push_many([event("u-0", 1)]),
                lambda: asyncio.to_thread(blocking.push_many, [event("u-0", 1)]),
            ]
            for push in pushes:
                await push()
            async with moving(redis_url, crowd.queue, 3):
                for push in pushes:
                    with pytest.raises(ConfigurationError, match="being resharded"):
                        await push()
            for push in pushes:
                with pytest.raises(ConfigurationError, match="set shards=3"):
                    await push()
    assert await crowd.redis.exists(crowd.queue) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_later_question_without_an_answer_keeps_nobody_from_pushing(
    redis_url: str, redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """In a cluster, the node that knows the number of lists may be down while those of the lists are not."""
    monkeypatch.setattr(producers, "_ASKED_EVERY", 0.0)
    async with Proxy(port_of(redis_url)) as proxy, kind(proxy.url, queue=queue_name, retry_for=0) as producer:
        proxy.loses_reply_to = lambda data: b"GET" in data
        with pytest.raises(NotPushedError, match="cannot read"):
            await producer.push("u", "n")
        proxy.loses_reply_to = lambda _: False
        await producer.push("u", "n")
        proxy.loses_reply_to = lambda data: b"GET" in data
        await producer.push("u", "n")
        assert proxy.lost == 2
    assert await redis_client.llen(queue_name) == 2
