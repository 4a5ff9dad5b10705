"""The operator's side of a list, on every Redis there is: census, halts, dead letters, replay."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import QueueError, UnreachableError
from forwarder.queue import Census, HaltRecord, Keys, NewLetter, Records, Settlement, Side, connect
from forwarder.queue.queue import Queue
from tests.support.claims import owner

HALT = HaltRecord("credentials", "401", "2016-09-11T18:04:23Z", "abc")


@pytest_asyncio.fixture
async def redis(each_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    async with connect(each_server.url) as client:
        yield client


@pytest.fixture
def keys(queue_name: str) -> Keys:
    return Keys(queue_name)


@pytest.fixture
def records(redis: Redis, keys: Keys) -> Records:
    return Records(redis, keys)


async def dead_letters(redis: Redis, keys: Keys, *elements: bytes) -> None:
    """Claims and dead-letters `elements`; gives the lease back."""
    await redis.rpush(keys.list, *elements)
    claims = await owner(redis, keys)
    claimed = await claims.claim(most=1_000, most_bytes=1_000_000, most_bytes_of_one=1_000)
    numbers = range(claimed.first, claimed.first + len(elements))
    letters = [NewLetter(number, claimed.stamp, "rejected", "422", "why", "u-é", 2) for number in numbers]
    await claims.settle(Settlement(letters=letters))
    await claims.lease.release()


async def test_an_empty_queue_counts_nothing(records: Records) -> None:
    now = await records.census()
    assert now == Census(0, 0, None, -2, 0, 0, 0, 0, 0, 0, 0)
    assert set(now.imbalances.values()) == {0}


async def test_the_census_counts_each_thing_by_its_name(redis: Redis, keys: Keys, records: Records) -> None:
    await redis.rpush(keys.list, b"1")
    await redis.hset(keys.claimed, mapping={"1-1": b"", "2-1": b""})
    await redis.set(keys.lease, "token", px=60_000)
    counters = (keys.sequence, keys.settlement, keys.accepted, keys.dead_lettered, keys.replayed, keys.deleted)
    for value, key in enumerate(counters, start=20):
        await redis.set(key, value)
    await redis.xadd(keys.dead, {"element": b""})
    now = await records.census()
    assert 50_000 < now.lease_milliseconds <= 60_000
    assert now == Census(1, 2, "token", now.lease_milliseconds, 20, 21, 22, 23, 24, 25, 1)
    assert list(now.imbalances.values()) == [20 - 22 - 23 - 2, 1 - 23 + 24 + 25]


async def test_the_first_halt_for_a_cause_is_kept(records: Records) -> None:
    assert await records.halt() is None
    assert await records.write_halt(HALT) == HALT
    assert await records.write_halt(msgspec.structs.replace(HALT, since="later", detail="again")) == HALT
    assert await records.halt() == HALT


@pytest.mark.parametrize("other", [{"reason": "misdirected"}, {"fingerprint": "def"}])
async def test_a_halt_for_another_cause_replaces_it(records: Records, other: dict[str, str]) -> None:
    await records.write_halt(HALT)
    second = msgspec.structs.replace(HALT, **other)
    assert await records.write_halt(second) == second
    assert await records.halt() == second


async def test_a_halt_stays_until_somebody_ends_it(redis: Redis, keys: Keys, records: Records) -> None:
    await records.write_halt(HALT)
    assert await redis.pttl(keys.halt) == -1


async def test_ending_a_halt_ends_that_one_alone(records: Records) -> None:
    other = msgspec.structs.replace(HALT, fingerprint="def")
    await records.write_halt(HALT)
    assert not await records.end_halt(other)
    assert await records.halt() == HALT
    assert await records.end_halt(HALT)
    assert await records.halt() is None
    assert not await records.end_halt(HALT)
    assert await records.take_allowance() == 0


async def test_a_resume_ends_any_halt_and_lets_refusals_through_once(redis: Redis, queue_name: str) -> None:
    lists = Queue(redis, queue_name, 3)
    assert await lists.resume(allow_refusals=7) is None
    assert [await each.take_allowance() for each in lists] == [0, 0, 0], "where nothing was halted nothing is allowed"
    await lists[0].write_halt(HALT)
    assert await lists[2].halt() == HALT, "a halt is the whole queue's"
    assert await lists.resume(allow_refusals=7) == HALT
    assert await lists[0].halt() is None
    assert [await each.take_allowance() for each in lists] == [3, 2, 2]
    assert [await each.take_allowance() for each in lists] == [0, 0, 0]


@pytest.mark.parametrize("text", [b"stop!", b"\xff\xfe", b'"a string"', b"[1]", b'{"reason": 1}', b"{}", b"null"])
async def test_a_halt_that_a_person_wrote_halts_and_can_be_ended(
    redis: Redis, keys: Keys, records: Records, text: bytes
) -> None:
    await redis.set(keys.halt, text)
    found = await records.halt()
    assert found is not None
    assert found.reason == "unknown"
    assert await records.write_halt(HALT) == HALT, "and a halt with a cause replaces it"
    await redis.set(keys.halt, text)
    assert await records.resume() == found
    assert await records.halt() is None


async def test_letters_come_oldest_first_whatever_the_page(redis: Redis, keys: Keys, records: Records) -> None:
    elements = [b"%d" % number for number in range(7)]
    await dead_letters(redis, keys, *elements)
    for page in (1, 2, 6, 7, 8, 100):
        assert [letter.element async for letter in records.letters(page=page)] == elements


async def test_no_letters_are_no_pages(records: Records) -> None:
    assert [letter async for letter in records.letters()] == []


async def test_a_letter_is_found_by_its_id(redis: Redis, keys: Keys, records: Records) -> None:
    await dead_letters(redis, keys, b"1", bytes(range(256)))
    [_, second] = [letter async for letter in records.letters()]
    assert (second.element, second.reason, second.status) == (bytes(range(256)), "rejected", "422")
    assert (second.detail, second.user_id, second.attempts) == ("why", "u-é", 2)
    assert abs(second.claimed_at / 1_000 - int(second.id.split("-")[0])) < 60_000
    assert await records.letter(second.id) == second
    assert await records.letter("1-1") is None


async def test_what_is_no_id_is_refused(records: Records) -> None:
    with pytest.raises(UnreachableError):
        await records.letter("no id")


@pytest.mark.parametrize("side", ["left", "right"])
async def test_a_replay_moves_exactly_one_letter_once(redis: Redis, keys: Keys, records: Records, side: Side) -> None:
    await dead_letters(redis, keys, b"1", b"2", b"3")
    await redis.rpush(keys.list, b"waits")
    first, second, third = [letter async for letter in records.letters()]
    assert await records.replay(second.id, b"2 again", side=side)
    for nothing in (second.id, "1-1"):
        assert not await records.replay(nothing, b"2 again", side=side)
    assert [letter async for letter in records.letters()] == [first, third]
    waiting = await redis.lrange(keys.list, 0, -1)
    assert (waiting or [])[:: 1 if side == "left" else -1] == [b"waits", b"2 again"]
    now = await records.census()
    assert (now.replayed, now.letters, now.dead_lettered) == (1, 2, 3)
    assert not any(now.imbalances.values())


async def test_a_letter_is_deleted_once_and_counted(redis: Redis, keys: Keys, records: Records) -> None:
    await dead_letters(redis, keys, b"1", b"2", b"3")
    first, second, third = [letter async for letter in records.letters()]
    assert await records.delete(second.id)
    for nothing in (second.id, "1-1"):
        assert not await records.delete(nothing)
    assert [letter async for letter in records.letters()] == [first, third]
    now = await records.census()
    assert (now.deleted, now.letters, now.dead_lettered) == (1, 2, 3)
    assert not any(now.imbalances.values())


async def test_a_letter_stays_when_its_deletion_cannot_be_counted(redis: Redis, keys: Keys, records: Records) -> None:
    await dead_letters(redis, keys, b"1")
    [letter] = [letter async for letter in records.letters()]
    await redis.set(keys.deleted, "text")
    with pytest.raises(QueueError):
        await records.delete(letter.id)
    assert await records.letter(letter.id) == letter


async def test_the_server_says_what_it_is(records: Records) -> None:
    info = await records.server()
    assert "redis_version" in info
    assert info["maxmemory_policy"] == "noeviction"
