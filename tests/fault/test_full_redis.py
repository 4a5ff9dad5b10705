"""A Redis that is full (`noeviction`), which it is exactly when a backlog must be drained; on every Redis there is."""

import time
from collections.abc import AsyncIterator, Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from forwarder import Producer, RedisFullError, SyncProducer
from forwarder.demo.redis_server import EmbeddedRedis, installed_servers, version_of
from forwarder.errors import UnreachableError
from forwarder.queue import groups
from forwarder.queue.about import About
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.decisions import Decisions
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys, QueueKeys, Side
from forwarder.queue.lease import Position
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import Queue
from forwarder.queue.tally import Report, Tally
from forwarder.queue.wire.connection import connect
from tests.support.claims import owner
from tests.support.commandstats import calls
from tests.support.faults import fault
from tests.support.service import census, event, push

LIMITS = {"most": 1_000, "most_bytes": 1_000_000, "most_bytes_of_one": 100}
HALT = HaltRecord("credentials", "401", "2016-09-11T18:04:23Z", "abc")
KEYS = Keys("events")


SERVERS: list[Path | None] = [*installed_servers()]


@pytest.fixture(params=SERVERS or [None], ids=lambda path: str(path and version_of(path)))
def server(request: pytest.FixtureRequest, own_redis: Callable[..., EmbeddedRedis]) -> EmbeddedRedis:
    """A server of the test's own, with room as yet, that has seen none of our scripts."""
    path: Path | None = request.param
    return own_redis(server=path)


@pytest_asyncio.fixture
async def redis(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    async with connect(server.url) as client:
        yield client


async def fill(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await redis.set("anything", "at all")


@fault("Redis", "full (`noeviction`) after an outage", "the backlog drains to nothing, without help", keeps=(1, 3))
async def test_a_backlog_drains_to_nothing(redis: Redis) -> None:
    elements = [b"%d" % number for number in range(5_000)]
    elements[17] = elements[4_017] = b"x" * 101
    await push(redis, KEYS.list, elements)
    await fill(redis)
    claims, drained = await owner(redis, KEYS), list[bytes | int]()
    assert claims.lease.start == Position(0, 0, 0)
    await claims.lease.renew()
    while (claimed := await claims.claim(**LIMITS)).elements:
        drained += claimed.elements
        there = list(claimed.numbers)
        letters = [NewLetter(number, claimed.stamp, "rejected", "400", "", "u", 1) for number in there[:10]]
        await claims.settle(Settlement({claimed.stamp: there[10:]}, letters))
    assert drained == [101 if len(element) > 100 else element for element in elements]
    now = await census(redis, KEYS.queue)
    assert (now.waiting, now.claimed, now.accepted, now.letters) == (0, 0, 5_000 - 50, 50)
    assert not any(now.imbalances.values())


@fault(
    "Redis",
    "full (`noeviction`) when the owner dies",
    "the next owner adopts what was claimed, and continues",
    keeps=(1, 3),
)
async def test_a_dead_owner_is_succeeded(redis: Redis) -> None:
    await push(redis, KEYS.list, [b"1", b"2", b"3"])
    dead = await owner(redis, KEYS)
    lost = await dead.claim(**LIMITS | {"most": 2})
    await fill(redis)
    await redis.delete(KEYS.lease)
    heir = await owner(redis, KEYS)
    assert heir.lease.start == Position(sequence=2, settlement=0, claimed=2)
    fields = (await heir.claimed_fields()).take(9)
    assert await heir.read(fields, most_bytes_of_one=1_000) == lost.elements
    assert (await heir.claim(**LIMITS)).elements == [b"3"]
    await heir.settle(Settlement({lost.stamp: [1, 2]}))
    assert (await census(redis, KEYS.queue)).accepted == 2
    await heir.lease.release()


@fault(
    "Redis", "full (`noeviction`) when a person runs `forwarder retry`", "every worker reads the request", keeps=(6,)
)
async def test_a_request_to_try_now_reaches_the_workers(redis: Redis) -> None:
    """An outage of the API may have filled it."""
    await fill(redis)
    queue = Queue(redis, KEYS.queue, 1)
    await queue.request_retry("now")
    assert (await queue.orders()).retry == b"now"
    await queue.request_retry("again")
    assert (await queue.orders()).retry == b"again"


@fault(
    "Redis", "full (`noeviction`) when the service must halt or pause", "it is written, and can be ended", keeps=(5,)
)
async def test_a_halt_is_written_and_ended(redis: Redis) -> None:
    await fill(redis)
    queue = Queue(redis, KEYS.queue, 1)
    assert await queue.write_halt(HALT) == HALT
    assert await redis.pttl(QueueKeys(KEYS.queue).halt) == -1
    assert await queue.halt() == HALT
    assert await queue.end_halt(HALT)
    await queue.write_halt(HALT)
    assert await queue.end_halt() == HALT
    await queue.pause(HALT, 0)
    await queue.pause(HALT, 60_000)
    assert (await queue.orders()).pause == HALT
    assert await queue.end_pause() == HALT
    assert await queue.lists[0].allowed_refusals() == 0


async def test_one_process_still_counts_for_all(redis: Redis) -> None:
    await push(redis, KEYS.list, [b"1", b"2"])
    await fill(redis)
    one, other = Queue(redis, KEYS.queue, 1), Queue(redis, KEYS.queue, 1)
    counted = (await one.counted(60)).censuses
    assert counted[0].waiting == 2
    before = await calls(redis, "xlen")
    assert (await other.counted(60)).censuses == counted
    assert await calls(redis, "xlen") == before
    assert [each.waiting for each in await other.past()] == [2]


@pytest.mark.parametrize("were_shared", [False, True])
async def test_every_process_counts_for_itself_while_redis_refuses_all_writes(
    redis: Redis, *, were_shared: bool
) -> None:
    """As it does when its disk is full (`MISCONF`): just then somebody wants to know what waits."""
    await push(redis, KEYS.list, [b"1", b"2"])
    queue = Queue(redis, KEYS.queue, 1)
    if were_shared:
        await queue.counted(60)
        await redis.delete(KEYS.list)
    await redis.config_set("min-replicas-to-write", 1)
    assert (await queue.counted(0)).censuses[0].waiting == (0 if were_shared else 2)


async def test_halted_workers_are_still_shown(redis: Redis) -> None:
    queue = Queue(redis, KEYS.queue, 1)
    here, late = (queue.fleet(name=name, remembered=30.0) for name in ("here", "late"))
    await here.describe(About("here"))
    await fill(redis)
    for worker in (here, late):
        await worker.describe(About("halted"))
    assert [each.name for each in (await queue.workers()).values()] == ["halted", "halted"]


async def test_the_fleet_decides_about_dead_letters(redis: Redis) -> None:
    await fill(redis)
    decisions = Decisions(redis, QueueKeys(KEYS.queue).decisions, "w")
    assert await decisions.tally(Report(1, 6, 4, (("aa", 4),), "400", 4), window=20) == Tally(6, 4, 1, "400")


@fault("producer", "it pushes to a full Redis", "the push is refused as a whole, with an error", keeps=(1,))
async def test_a_push_is_refused_and_pushes_nothing(server: EmbeddedRedis, redis: Redis) -> None:
    await redis.rpush(KEYS.list, b"1")
    await fill(redis)
    sides: tuple[Side, ...] = ("left", "right")
    for side, most in product(sides, (None, 100)):
        async with Producer(server.url, consume_from=side, max_waiting=most) as producer:
            with pytest.raises(RedisFullError, match="2 not pushed") as refused:
                await producer.push_many([event("u", 2), event("u", 3)])
        assert (refused.value.not_pushed, refused.value.uncertain) == ((0, 1), ())
        with SyncProducer(server.url, max_waiting=most) as blocking, pytest.raises(RedisFullError):
            blocking.push("u", "test")
    assert await redis.lrange(KEYS.list, 0, -1) == [b"1"]


@fault("Redis", "full (`noeviction`) when a dead letter is replayed", "the dead letter stays", keeps=(1,))
async def test_a_replay_that_finds_no_room_loses_no_letter(redis: Redis) -> None:
    await redis.xadd(KEYS.dead, {"element": b"1"})
    [letter] = [letter async for letter in ListLetters(redis, KEYS).all()]
    await fill(redis)
    with pytest.raises(UnreachableError):
        await ListLetters(redis, KEYS).replay(letter.id, letter.element, side="left")
    assert await redis.xlen(KEYS.dead) == 1
    assert await redis.exists(KEYS.list, KEYS.replayed) == 0


@fault(
    "Redis",
    "full (`noeviction`) when dead letters are deleted to make room",
    "they are deleted, and counted",
    keeps=(1,),
)
async def test_a_letter_can_be_deleted_when_there_is_no_room(redis: Redis) -> None:
    for name in ("visit", "visit", "purchase"):
        await redis.xadd(KEYS.dead, {"element": event("u", 1, name=name), "reason": "rejected", "status": "400"})
    letters = ListLetters(redis, KEYS)
    await fill(redis)
    assert [(each.name, each.count) for each in (await letters.groups(calls=1)).groups] == [
        ("visit", 2),
        ("purchase", 1),
    ]
    async for letter in letters.all():
        assert await letters.delete(letter.id)
        break
    assert (await redis.xlen(KEYS.dead), await redis.get(KEYS.deleted)) == (2, b"1")
    assert {each.name: each.count for each in (await groups.read(redis, KEYS)).groups} == {"visit": 1, "purchase": 1}


async def test_while_redis_refuses_all_writes_groups_are_shown_as_they_were(redis: Redis) -> None:
    """As it does when its disk is full (`MISCONF`)."""
    letters = ListLetters(redis, KEYS)
    letter: dict[Any, Any] = {"element": event("u", 1), "reason": "rejected"}
    await redis.xadd(KEYS.dead, letter)
    for known in (True, False):
        await letters.groups(calls=1) if known else await redis.xadd(KEYS.dead, letter)
        await redis.config_set("min-replicas-to-write", 1)
        found = await letters.groups(calls=1)
        assert (found.exact, found.by_reason) == (known, {"rejected": 1})
        await redis.config_set("min-replicas-to-write", 0)
    assert (await letters.groups(calls=1)).by_reason == {"rejected": 2}


async def test_waiting_is_refused_and_so_it_is_looked_again_a_second_later(redis: Redis) -> None:
    claims = await owner(redis, KEYS)
    await fill(redis)
    started = time.monotonic()
    await claims.wait_for_events(redis, 4)
    assert 0.9 < time.monotonic() - started < 3
    assert (await claims.claim(**LIMITS)).elements == []
