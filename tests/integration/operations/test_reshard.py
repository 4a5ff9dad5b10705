"""`forwarder reshard` on a real Redis: everything comes to its new list, in order, or it is refused in clear words."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import LeaseLostError, ReshardError, ShardsDisagreeError, UnreachableError, WrongTypeError
from forwarder.operations import redistribute as redistribution
from forwarder.operations.redistribute import Moved
from forwarder.operations.reshard import carry_out, make_plan, refuse
from forwarder.queue import mover
from forwarder.queue import queue as lists
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.fleet import Fleet
from forwarder.queue.keys import Keys, QueueKeys, Side
from forwarder.queue.lease import Lease
from forwarder.queue.letters import ListLetters
from forwarder.queue.mover import ListMover, Page
from forwarder.queue.queue import Queue, lists_of_a_queue
from forwarder.queue.sharding import list_name, shard_of
from forwarder.queue.wire.connection import connect
from tests.support.claims import owner
from tests.support.faults import fault
from tests.support.resharding import Crowd, reshard
from tests.support.servers.proxy import Proxy
from tests.support.service import event, eventually, port_of


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mover, redistribution):
        monkeypatch.setattr(module, "PAGE", 7)


@pytest.fixture(autouse=True)
def _few_lists_among_which_to_look_for_strays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_SHARDS", 16)


@pytest.mark.parametrize("side", ["left", "right"])
async def test_from_one_list_to_many_and_back_all_keeps_its_order(
    each_server: EmbeddedRedis, queue_name: str, side: Side, small_pages: None
) -> None:
    async with connect(each_server.url) as redis:
        crowd = Crowd(redis, queue_name, random.Random(side), side=side)
        before = 1
        for after in (4, 8, 3, 1):
            await crowd.push(before, 150)
            await crowd.work(before, claim=20, settle=10)
            await reshard(each_server.url, queue_name, after, side=side)
            await crowd.check(after)
            before = after


async def test_dead_letters_go_with_their_users_and_keep_their_ids(redis_url: str, queue_name: str) -> None:
    async with connect(redis_url) as redis:
        crowd = Crowd(redis, queue_name, random.Random(1))
        await crowd.push(1, 200)
        await crowd.work(1, claim=200, settle=200)
        before = {letter.id: letter.element async for letter in ListLetters(redis, Keys(queue_name)).all()}
        assert (await reshard(redis_url, queue_name, 4, move=False)).letters == len(before) > 50, "needs no --move"
        await crowd.check(4)
        after = [letter for keys in lists_of_a_queue(queue_name, 4) async for letter in ListLetters(redis, keys).all()]
        assert {letter.id: letter.element for letter in after} == before
        of = {keys.list: ListLetters(redis, keys) for keys in lists_of_a_queue(queue_name, 4)}
        a_letter = await anext(of[f"{queue_name}:2"].all())
        assert await of[f"{queue_name}:2"].replay(a_letter.id, a_letter.element, side="left")


async def test_it_refuses_to_move_events_unless_it_is_told_to(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 30)
    await crowd.work(1, claim=20, settle=5)
    with pytest.raises(ReshardError, match=rf"10 events waiting and 15 claimed \({queue_name}\).*--move"):
        await reshard(redis_url, queue_name, 4, move=False)
    assert await Queue(redis_client, queue_name, 1).shards() is None


async def test_it_refuses_while_a_worker_is_at_work(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    fleet = Fleet(redis_client, queue_name, 1, name="host-1", remembered=30.0)
    await fleet.attend()
    plan = await make_plan(redis_client, queue_name, 4, configured=1)
    with pytest.raises(ReshardError, match=r"workers are running: host-1.*stop all workers"):
        await refuse(redis_client, plan, move=True)
    with pytest.raises(ReshardError, match="started meanwhile"):
        await carry_out(redis_client, plan, side="left", max_event_bytes=100, progress=print)
    await fleet.leave()
    await reshard(redis_url, queue_name, 4)
    with pytest.raises(ShardsDisagreeError, match="has 4 shards"):
        await fleet.attend()


async def test_it_refuses_while_a_lease_is_held_and_goes_on_afterwards(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    frozen = Lease(redis_client, Keys(queue_name), ttl=30.0)
    plan = await make_plan(redis_client, queue_name, 4, configured=1)
    await frozen.acquire()
    with pytest.raises(ReshardError, match=rf"{queue_name} is owned for (29|30) more seconds by a worker"):
        await refuse(redis_client, plan, move=True)
    with pytest.raises(ReshardError, match=f"a worker has taken {queue_name} meanwhile.*same command again"):
        await carry_out(redis_client, plan, side="left", max_event_bytes=100, progress=print)
    with pytest.raises(ReshardError, match=r"is owned for .* by a worker"):
        await reshard(redis_url, queue_name, 4)
    await frozen.release()
    await reshard(redis_url, queue_name, 4)
    await crowd.check(4)


async def test_nobody_owns_a_list_while_its_events_are_moved(
    redis_url: str, redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen between its look at the number of lists and its acquisition, for longer than a lease."""
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    plan = await make_plan(redis_client, queue_name, 4, configured=1)
    tried = []

    def progress(_: int) -> None:
        for keys in plan.lists:
            lease = Lease(redis_client, keys, ttl=5.0)
            tried.append(asyncio.ensure_future(lease.acquire()))

    monkeypatch.setattr(mover, "PAGE", 5)
    await carry_out(redis_client, plan, side="left", max_event_bytes=100, progress=progress)
    answers = await asyncio.gather(*tried)
    assert set(answers[: len(tried) // 2]) == {None}, "what was tried last may come after the end"
    assert len(tried) == 4 * len(plan.lists)


async def _hold_back(proxy: Proxy, redis: Redis, queue: str) -> AsyncIterator[Sequence[int]]:
    """Yields the milliseconds that each lease has left, again and again for much longer than a lease lasts."""
    every = [*lists_of_a_queue(queue, 1), *lists_of_a_queue(queue, 3)]
    await proxy.reached.wait()
    for _ in range(14):
        await asyncio.sleep(0.05)
        yield [await redis.pttl(keys.lease) for keys in every]


@fault(
    "Redis",
    "a step of `forwarder reshard` takes longer than its leases last",
    "they are renewed meanwhile, or taken again",
    keeps=(1, 2, 3),
)
@pytest.mark.parametrize("script", ["unload_letters", "load"])
async def test_leases_are_held_while_one_step_takes_longer_than_a_lease(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    await crowd.work(1, claim=20, settle=20)
    await crowd.push(1, 20)
    monkeypatch.setattr(mover, "MOVER_LEASE", 0.5)
    async with Proxy(port_of(redis_server.url)) as proxy:
        await reshard(proxy.url, queue_name[::-1], 2)  # the scripts are known
        proxy.stop_at(script, "after")
        slow = asyncio.create_task(reshard(proxy.url, queue_name, 3))
        async for left in _hold_back(proxy, redis_client, queue_name):
            assert min(left) > 0, left
        proxy.go_on()
        await slow
    await crowd.check(3)


@fault(
    "Redis",
    "a step of `forwarder reshard` takes longer than its leases last",
    "they are renewed meanwhile, or taken again",
    keeps=(1, 2, 3),
)
async def test_leases_that_have_run_out_are_taken_again(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis, or the command, stood still for longer than a lease lasts, and nobody else has begun meanwhile."""
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 40)
    await crowd.work(1, claim=20, settle=10)
    monkeypatch.setattr(mover, "MOVER_LEASE", 0.3)
    async with Proxy(port_of(redis_server.url)) as proxy:
        await reshard(proxy.url, queue_name[::-1], 2)  # the scripts are known
        proxy.stop_at("load", "before")
        slow = asyncio.create_task(reshard(proxy.url, queue_name, 3))
        await proxy.reached.wait()
        proxy.black_hole = True
        await eventually(lambda: _nobody_owns(redis_client, queue_name))
        proxy.black_hole = False
        proxy.go_on()
        assert (await slow).events > 0
    await crowd.check(3)


async def _nobody_owns(redis: Redis, queue: str) -> bool:
    return not await redis.exists(*(keys.lease for keys in [*lists_of_a_queue(queue, 1), *lists_of_a_queue(queue, 3)]))


async def test_another_number_has_to_wait_until_one_is_done(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    plan = await make_plan(redis_client, queue_name, 4, configured=1)

    def die(_: int) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await carry_out(redis_client, plan, side="left", max_event_bytes=100, progress=die)
    with pytest.raises(ReshardError, match=r"from 1 to 4 lists: finish that first with `forwarder reshard 4 --move`"):
        await reshard(redis_url, queue_name, 3)
    for number in (1, 4):
        fleet = Fleet(redis_client, queue_name, number, name="", remembered=5.0)
        with pytest.raises(ShardsDisagreeError, match=r"being resharded \(1 to 4 .* run `forwarder reshard 4 --move`"):
            await fleet.attend()
    await reshard(redis_url, queue_name, 4, move=False)
    await crowd.check(4)
    assert await reshard(redis_url, queue_name, 4) == Moved(), "there is nothing to do"


async def test_what_producers_pushed_with_another_number_is_found_and_swept(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    await reshard(redis_url, queue_name, 4)
    await crowd.push(1, 5)
    assert {name: found.waiting for name, found in (await Queue(redis_client, queue_name, 4).strays()).items()} == {
        queue_name: 5
    }
    with pytest.raises(ReshardError, match=r"25 events wait"):
        await reshard(redis_url, queue_name, 4, move=False)
    await reshard(redis_url, queue_name, 4)
    await crowd.check(4)
    assert await Queue(redis_client, queue_name, 4).strays() == {}


async def test_what_producers_pushed_early_with_the_new_number_comes_after_what_waited(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    crowd = Crowd(redis_client, queue_name, random.Random(1))
    await crowd.push(1, 20)
    await crowd.push(4, 20)
    await reshard(redis_url, queue_name, 4)
    await crowd.check(4)


async def test_a_queue_of_its_own_is_not_taken_for_a_list(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    other = Keys(f"{queue_name}:2")
    await Fleet(redis_client, other.list, 1, name="", remembered=0.01).attend()
    await redis_client.rpush(other.list, b"x")
    with pytest.raises(ReshardError, match=f"{queue_name}:2 is a queue of its own"):
        await reshard(redis_url, queue_name, 4)
    await reshard(redis_url, queue_name, 2)
    assert await redis_client.lrange(other.list, 0, -1) == [b"x"]
    assert await Queue(redis_client, queue_name, 2).strays() == {}


@pytest.mark.parametrize("text", ["", "0", "-1", "1025", "4 to", "four", "1 to 4 xyz", "9" * 5_000])
async def test_a_number_of_lists_that_is_none_is_said_so(
    redis_url: str, redis_client: Redis, queue_name: str, text: str
) -> None:
    await redis_client.set(QueueKeys(queue_name).shards, text)
    with pytest.raises(ReshardError, match="not a number of lists") as refused:
        await reshard(redis_url, queue_name, 4)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("key", ["list", "claimed", "dead", "sequence"])
async def test_a_key_of_another_type_is_named_before_anything_is_moved(
    redis_url: str, redis_client: Redis, queue_name: str, key: str
) -> None:
    await redis_client.rpush(queue_name, event("a", 1))
    wrong = getattr(Keys(queue_name, 3, of=4), key)
    await redis_client.set(wrong, "x")
    with pytest.raises((WrongTypeError, ReshardError), match=f"{queue_name}:3.*is FORWARDER_QUEUE right"):
        await reshard(redis_url, queue_name, 4)
    await redis_client.delete(wrong)
    await reshard(redis_url, queue_name, 4)
    assert sum([await redis_client.llen(keys.list) for keys in lists_of_a_queue(queue_name, 4)]) == 1


@pytest.mark.parametrize(
    ("note", "name", "written"), [("move", "page", "many"), ("moved", "", "many"), ("moved", "", "99")]
)
async def test_a_note_that_somebody_else_has_written_is_named_and_loses_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, note: str, name: str, written: str
) -> None:
    await redis_client.rpush(queue_name, *[event(f"u{n}", n) for n in range(20)])
    key = getattr(Keys(queue_name, 0, of=2) if note == "moved" else Keys(queue_name), note)
    await redis_client.hset(key, name or queue_name, written)
    with pytest.raises(WrongTypeError, match=key):
        await reshard(redis_url, queue_name, 2)
    await redis_client.delete(key)
    for _ in range(2):
        with contextlib.suppress(ReshardError):  # with a note already there, nothing had been set aside
            await reshard(redis_url, queue_name, 2)
    assert sum([await redis_client.llen(list_name(queue_name, shard, 2)) for shard in range(2)]) == 20


async def test_elements_longer_than_a_page_and_than_an_event_may_be_are_moved(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    huge = [event("a", number, blob="x" * 3_000_000) for number in range(3)]
    await redis_client.rpush(queue_name, *huge, event("a", 3))
    await reshard(redis_url, queue_name, 4)
    name = list_name(queue_name, shard_of("a", 4), 4)
    assert await redis_client.lrange(name, 0, -1) == [*huge, event("a", 3)]


async def _one_of_everything(redis: Redis, queue: str) -> ListMover:
    """A list that is about to be emptied: an event that was claimed, one that waits, a dead letter, counts."""
    crowd = Crowd(redis, queue, random.Random(1))
    await redis.rpush(queue, *[event("a", number) for number in range(4)])
    crowd.numbers["a"] = [0, 1, 2, 3]
    await crowd.work(1, claim=3, settle=0)
    claims = await owner(redis, Keys(queue))
    (number, stamp), *_ = (await claims.claimed_fields()).take(1)
    await claims.settle(Settlement({stamp: [number + 1]}, [NewLetter(number, stamp, "rejected", "400", "", "a", 1)]))
    await claims.lease.release()
    moved = ListMover(redis, Keys(queue), side="left")
    assert await moved.own()
    return moved


async def _every_step(moved: ListMover, redis: Redis) -> AsyncIterator[Callable[[], Awaitable[Page | None]]]:
    """What is done to a list, in order."""
    yield moved.set_aside
    names = sorted(map(bytes.decode, await redis.hkeys(Keys(moved.name).claimed)))  # type: ignore[arg-type]
    fields = [(int(number), int(stamp)) for number, stamp in (name.split("-") for name in names)]
    yield lambda: moved.unload_events(fields)
    letters = [(letter.id, 0) async for letter in ListLetters(redis, Keys(moved.name)).all()]
    yield lambda: moved.unload_letters(letters)
    yield moved.unload_counts
    yield lambda: moved.load("elsewhere", 1, [b"e" + event("b", 1), b"c1 1 0 0 0"])
    yield lambda: moved.tidy(gone=True)


async def _everything(redis: Redis, queue: str) -> dict[bytes, bytes | None]:
    return {key: await redis.dump(key) async for key in redis.scan_iter(match=f"*{queue}*") if b":lease" not in key}


async def test_each_step_does_nothing_without_the_lease(redis_client: Redis, queue_name: str) -> None:
    moved = await _one_of_everything(redis_client, queue_name)
    await redis_client.set(Keys(queue_name).lease, "another")
    before = await _everything(redis_client, queue_name)
    async for step in _every_step(moved, redis_client):
        with pytest.raises(LeaseLostError):
            await step()
    assert await _everything(redis_client, queue_name) == before


async def test_each_step_that_is_repeated_answers_the_same_and_does_nothing(
    redis_client: Redis, queue_name: str
) -> None:
    moved = await _one_of_everything(redis_client, queue_name)
    sizes = []
    async for step in _every_step(moved, redis_client):
        once, after = await step(), await _everything(redis_client, queue_name)
        if await redis_client.exists(Keys(queue_name).lease):
            again = await step()
            assert await _everything(redis_client, queue_name) == after
        if once is not None:
            assert again is not None
            assert (once.number, once.items) == (again.number, again.items)
            moved.loaded(once)
            sizes.append(len(once.items))
    assert sizes == [2, 1, 1]


async def test_what_is_pushed_wrongly_while_the_notes_are_cleared_away_is_not_lost(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, small_pages: None
) -> None:
    """Were the events moved once more, with half of the notes, it would look as if they had been moved."""
    await redis_client.rpush(queue_name, *[event(f"u{number}", number) for number in range(100)])
    async with Proxy(port_of(redis_server.url)) as proxy:
        await reshard(proxy.url, queue_name, 2)  # the scripts are known
        proxy.stop_at("tidy", "after")
        dying = asyncio.create_task(reshard(proxy.url, queue_name, 3))
        await proxy.reached.wait()
        proxy.cut()
        proxy.go_on()
        with pytest.raises(UnreachableError, match="run the same command again"):
            await dying
    late = [event(f"u{number}", 1_000 + number) for number in range(100)]
    await redis_client.rpush(f"{queue_name}:0", *late)
    await reshard(redis_server.url, queue_name, 3)
    found = [await redis_client.lrange(keys.list, 0, -1) for keys in lists_of_a_queue(queue_name, 3)]
    assert sum(map(len, found)) == 200
    assert found[0][-100:] == late
    await reshard(redis_server.url, queue_name, 3)
