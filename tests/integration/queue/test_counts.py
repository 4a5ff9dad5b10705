"""One process counts all lists, and the others read what it found; on every Redis there is."""

import time
from collections.abc import Iterator

import msgspec
import pytest
from redis.asyncio import Redis

from forwarder.errors import WrongTypeError
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.totals import Totals
from forwarder.queue.wire.connection import connect
from forwarder.queue.wire.exchange import one_on_each
from tests.support.commandstats import calls
from tests.support.servers.cluster import MASTERS, cluster

LISTS = 4
#: Only the counting of a list uses it.
COUNTING = "xlen"


@pytest.fixture
def key(queue_name: str) -> str:
    return QueueKeys(queue_name).counts


@pytest.fixture
def past(queue_name: str) -> str:
    return QueueKeys(queue_name).past


def queue(redis: Redis, name: str, lists: int = LISTS) -> Queue:
    return Queue(redis, name, lists)


async def fill(redis: Redis, name: str, lists: int = LISTS) -> None:
    """The list of shard n gets n + 1 events."""
    for shard in range(lists):
        await redis.rpush(Keys(name, shard, of=lists).list, *range(shard + 1))


async def waiting(queue: Queue, max_age: float) -> list[int]:
    return [each.waiting for each in (await queue.counted(max_age)).censuses]


async def test_many_read_what_one_has_counted(redis: Redis, queue_name: str) -> None:
    await fill(redis, queue_name)
    before = await calls(redis, COUNTING)
    found = [await queue(redis, queue_name).counted(60) for _ in range(20)]
    assert await calls(redis, COUNTING) - before == LISTS
    assert 0 < found[0].age < 1
    assert [each.age for each in found] == sorted(each.age for each in found)
    for each in found:
        assert each.censuses == found[0].censuses
        assert [census.waiting for census in each.censuses] == [1, 2, 3, 4]


async def test_counts_that_are_too_old_are_made_again(redis: Redis, queue_name: str) -> None:
    one, other = queue(redis, queue_name), queue(redis, queue_name)
    assert await waiting(one, 60) == [0, 0, 0, 0]
    await fill(redis, queue_name)
    assert await waiting(other, 60) == [0, 0, 0, 0]
    assert await waiting(other, 0) == [1, 2, 3, 4]
    assert await waiting(one, 60) == [1, 2, 3, 4]


async def test_a_reader_learns_who_owns_a_list_but_not_the_right_to_settle(
    redis: Redis, queue_name: str, key: str
) -> None:
    lease = queue(redis, queue_name).lease(2, ttl=60, owner="abcdef012345", clock=time.monotonic)
    await lease.acquire()
    await queue(redis, queue_name).counted(0)
    owners = [each.owner for each in (await queue(redis, queue_name).counted(60)).censuses]
    assert owners == ["", "", "abcdef012345", ""]
    shared = await redis.hget(key, "lists")
    assert shared is not None
    assert lease.token.encode() not in shared


async def test_while_one_counts_the_others_read_older_counts(redis: Redis, queue_name: str, key: str) -> None:
    await queue(redis, queue_name).counted(0)
    await fill(redis, queue_name)
    await redis.hset(key, "until", str(time.time_ns() // 1_000 + 1_000_000))
    assert await waiting(queue(redis, queue_name), 0.001) == [0, 0, 0, 0]
    await redis.hset(key, "at", str(time.time_ns() // 1_000 - 20_000_000))
    assert await waiting(queue(redis, queue_name), 0.001) == [1, 2, 3, 4], "20 s are too long for a count"


async def test_who_needs_counts_of_now_does_not_wait_for_the_one_that_counts(
    redis: Redis, queue_name: str, key: str
) -> None:
    """Otherwise the page would show what was before an action, if another process happens to count."""
    await queue(redis, queue_name).counted(0)
    await fill(redis, queue_name)
    await redis.hset(key, "until", str(time.time_ns() // 1_000 + 1_000_000))
    assert await waiting(queue(redis, queue_name), 0) == [1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [-0.1, 3_600.0])
async def test_when_the_one_that_counts_has_died_another_one_counts(
    redis: Redis, queue_name: str, key: str, seconds: float
) -> None:
    """Also if that time was written by somebody else, or by a clock that was set back since."""
    await queue(redis, queue_name).counted(0)
    await fill(redis, queue_name)
    await redis.hset(key, "until", str(time.time_ns() // 1_000 + int(seconds * 1e6)))
    assert await waiting(queue(redis, queue_name), 0) == [1, 2, 3, 4]


async def test_a_late_writer_does_not_replace_later_counts(redis: Redis, queue_name: str, key: str) -> None:
    await queue(redis, queue_name).counted(0)
    before = await redis.hgetall(key)
    slow = queue(redis, queue_name)._counts
    keys = [key, QueueKeys(queue_name).past]
    verdict, age = await slow._run("share_counts", keys, int(before[b"at"]) - 1, "[]", "[1]", 0, 60, 1_000)
    assert verdict == b"late"
    assert len(await queue(redis, queue_name).past()) == 1
    assert 0 < int(age) < 10_000_000
    assert await redis.hgetall(key) == before


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("lists", text) for text in (b"", b"x", b"[]", b"[[1]]", b'[["a"],[],[],[]]', b"\xff", b"[" * 100_000)),
        *(("at", text) for text in (b"", b"x", b"-1", b"1e300", b"nan", b"9999999999999999")),
        *(("until", text) for text in (b"", b"x", b"nan", b"1e300", b"9999999999999999")),
    ],
)
async def test_what_somebody_else_wrote_is_replaced(
    redis: Redis, queue_name: str, key: str, field: str, text: bytes
) -> None:
    await queue(redis, queue_name).counted(0)
    await fill(redis, queue_name)
    await redis.hset(key, field, text)
    if field == "until":
        await redis.hset(key, "at", "1")
    assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]
    assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]


async def test_counts_of_another_number_of_lists_are_not_read(redis: Redis, queue_name: str) -> None:
    await queue(redis, queue_name, 2).counted(0)
    await fill(redis, queue_name)
    assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]


async def test_another_type_is_named_if_it_is_a_lists(redis: Redis, queue_name: str, key: str) -> None:
    await fill(redis, queue_name)
    await redis.set(key, "x")
    for max_age in (0, 60, 60):
        assert await waiting(queue(redis, queue_name), max_age) == [1, 2, 3, 4], "each process counts for itself"
    assert await redis.get(key) == b"x"
    assert await redis.ttl(key) == -1
    await redis.delete(key, Keys(queue_name, 3, of=LISTS).list)
    await redis.set(Keys(queue_name, 3, of=LISTS).list, "x")
    with pytest.raises(WrongTypeError, match=":3"):
        await queue(redis, queue_name).counted(60)


async def test_they_are_forgotten_when_nobody_counts_any_more(redis: Redis, queue_name: str, key: str) -> None:
    await queue(redis, queue_name).counted(0)
    assert 50 < await redis.ttl(key) <= 60


async def test_the_past_has_one_entry_in_a_while_however_many_count(redis: Redis, queue_name: str, past: str) -> None:
    await fill(redis, queue_name)
    before = time.time()
    for _ in range(3):
        await queue(redis, queue_name).counted(0)
    [first] = await queue(redis, queue_name).past()
    assert before - 1 < first.at < time.time() + 1
    assert (first.waiting, first.claimed, first.sequence, first.pushed) == (10, 0, 0, 10)
    await aged(redis, past, first, 15.0)
    found = await queue(redis, queue_name).counted(0)
    assert (await queue(redis, queue_name).past())[1:] == (found.totals,)
    assert 19 * 60 < await redis.ttl(past) <= 20 * 60


async def aged(redis: Redis, past: str, entry: Totals, seconds: float) -> None:
    await redis.delete(past)
    await redis.rpush(past, msgspec.structs.replace(entry, at=entry.at - seconds).text)


async def test_the_past_is_bounded_and_what_somebody_else_wrote_there_is_ignored(
    redis: Redis, queue_name: str, past: str
) -> None:
    await redis.rpush(past, *range(60), *STRANGE)
    await queue(redis, queue_name).counted(0)
    assert len(await queue(redis, queue_name).past()) == 1
    assert await redis.llen(past) == 60


STRANGE = (b"", b"x", b"[]", b"[1.2.3,", b"[9e99]", b"[" * 100_000, b"[-1,0,0,0,0,0,0,0]", b"[5,0,0,0,0,0,0]", b"\xff")


@pytest.mark.parametrize("newest", [*STRANGE, b"[9999999999,0,0,0,0,0,0,0]"])
async def test_an_entry_that_cannot_be_of_now_keeps_no_other_one_away(
    redis: Redis, queue_name: str, past: str, newest: bytes
) -> None:
    await redis.rpush(past, newest)
    found = await queue(redis, queue_name).counted(0)
    assert (await queue(redis, queue_name).past())[-1] == found.totals


async def test_counting_goes_on_whatever_the_key_of_the_past_holds(redis: Redis, queue_name: str, past: str) -> None:
    await fill(redis, queue_name)
    await redis.set(past, "x")
    assert await waiting(queue(redis, queue_name), 0) == [1, 2, 3, 4]
    assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]
    assert await queue(redis, queue_name).past() == ()


async def test_a_thousand_lists_are_counted_in_a_few_round_trips(redis: Redis, queue_name: str) -> None:
    """Also by a Redis that does not know the script yet."""
    await fill(redis, queue_name, 3)
    await redis.script_flush()
    many = queue(redis, queue_name, 1_024)
    await many.censuses()
    before = await calls(redis, "evalsha")
    assert sum(each.waiting for each in await many.censuses()) == 6
    assert await calls(redis, "evalsha") - before == 1_024


@pytest.fixture
def cluster_url() -> Iterator[str]:
    with cluster() as nodes:
        yield nodes.url


@pytest.mark.long
async def test_in_a_cluster_the_lists_are_counted_wherever_they_are(cluster_url: str, queue_name: str) -> None:
    async with connect(cluster_url) as redis:
        await fill(redis, queue_name)
        assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]
        assert await waiting(queue(redis, queue_name), 60) == [1, 2, 3, 4]
        many = queue(redis, queue_name, 32)
        assert len(await one_on_each(redis, many.names)) == MASTERS
        assert 0 < (await many.memory()).part < 1
