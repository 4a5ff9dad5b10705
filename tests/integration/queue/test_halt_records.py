"""Halts and what a resume lets through, on every Redis there is."""

import msgspec
import pytest
from redis.asyncio import Redis

from forwarder.errors import WrongTypeError
from forwarder.operations.resume import end_halt
from forwarder.queue.decisions import Decisions
from forwarder.queue.halts import HaltRecord, Orders
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.tally import Report

HALT = HaltRecord("credentials", "401", "2016-09-11T18:04:23Z", "abc")


@pytest.fixture
def keys(queue_name: str) -> QueueKeys:
    return QueueKeys(queue_name)


@pytest.fixture
def queue(redis: Redis, queue_name: str) -> Queue:
    return Queue(redis, queue_name, 1)


async def test_the_first_halt_for_a_cause_is_kept(queue: Queue) -> None:
    assert await queue.halt() is None
    assert await queue.write_halt(HALT) == HALT
    assert await queue.write_halt(msgspec.structs.replace(HALT, since="later", detail="again")) == HALT
    assert await queue.halt() == HALT


@pytest.mark.parametrize("other", [{"reason": "misdirected"}, {"fingerprint": "def"}])
async def test_a_halt_for_another_cause_replaces_it(queue: Queue, other: dict[str, str]) -> None:
    await queue.write_halt(HALT)
    second = msgspec.structs.replace(HALT, **other)
    assert await queue.write_halt(second) == second
    assert await queue.halt() == second


async def test_a_worker_reads_a_halt_and_a_request_to_try_now_together(
    redis: Redis, keys: QueueKeys, queue: Queue
) -> None:
    assert await queue.orders() == Orders(None, None)
    await queue.request_retry("first")
    assert await queue.orders() == Orders(None, b"first")
    await queue.write_halt(HALT)
    await queue.request_retry("second")
    assert await queue.orders() == Orders(HALT, b"second")
    assert 50_000 < await redis.pttl(keys.retry) <= 60_000, "it is forgotten"


async def test_a_halt_stays_until_somebody_ends_it(redis: Redis, keys: QueueKeys, queue: Queue) -> None:
    await queue.write_halt(HALT)
    assert await redis.pttl(keys.halt) == -1


async def test_ending_a_halt_ends_that_one_alone(queue: Queue) -> None:
    other = msgspec.structs.replace(HALT, fingerprint="def")
    await queue.write_halt(HALT)
    assert not await queue.end_halt(other)
    assert await queue.halt() == HALT
    assert await queue.end_halt(HALT)
    assert await queue.halt() is None
    assert not await queue.end_halt(HALT)
    assert await queue.lists[0].allowed_refusals() == 0


async def test_a_resume_ends_any_halt_and_lets_refusals_through(redis: Redis, queue_name: str) -> None:
    queue = Queue(redis, queue_name, 3)
    assert await end_halt(queue, allow_refusals=7) is None
    assert [await each.allowed_refusals() for each in queue.lists] == [0, 0, 0], (
        "where nothing was halted nothing is allowed"
    )
    await queue.write_halt(HALT)
    assert await Queue(redis, queue_name, 1).halt() == HALT, "a halt is the whole queue's"
    assert await end_halt(queue, allow_refusals=7) == HALT
    assert await queue.halt() is None
    for _ in range(2):
        assert [await each.allowed_refusals() for each in queue.lists] == [3, 2, 2], "a lost reply loses nothing"
    await queue.write_halt(HALT)
    await end_halt(queue, allow_refusals=1)
    assert [await each.allowed_refusals() for each in queue.lists] == [1, 0, 0], "instead of what is left"


async def test_an_allowance_lapses(redis: Redis, queue: Queue, queue_name: str) -> None:
    await queue.allow(7)
    assert 0 < await redis.ttl(Keys(queue_name).allowance) <= 7 * 24 * 3_600


@pytest.mark.parametrize("text", ["x", "-1", "1" * 16, "1.5", b"\xff"])
async def test_what_somebody_else_wrote_allows_nothing(
    redis: Redis, queue: Queue, queue_name: str, text: str | bytes
) -> None:
    await redis.set(Keys(queue_name).allowance, text)
    assert await queue.lists[0].allowed_refusals() == 0


async def test_a_resume_lets_the_fleet_decide_anew(redis: Redis, keys: QueueKeys, queue: Queue) -> None:
    for key in (keys.decisions, keys.decoded):
        await Decisions(redis, key, "w").tally(Report(1, 5, 5), window=10)
    await queue.write_halt(HALT)
    await queue.end_halt(HALT)
    assert await redis.exists(keys.decisions, keys.decoded) == 2, "a new key is no reason: nobody has looked"
    await queue.write_halt(HALT)
    await end_halt(queue)
    assert await redis.exists(keys.decisions, keys.decoded) == 0


async def test_a_person_who_ends_misdirected_vouches_for_the_address_for_a_week(
    redis: Redis, keys: QueueKeys, queue: Queue
) -> None:
    misdirected = msgspec.structs.replace(HALT, reason="misdirected", fingerprint="the-address")
    for halt in (HALT, msgspec.structs.replace(misdirected, fingerprint="")):
        await queue.write_halt(halt)
        assert await end_halt(queue) == halt
        assert await queue.address() == "", "it names no address"
    await queue.write_halt(misdirected)
    assert await queue.end_halt(misdirected), "by a worker that uses another address"
    assert await queue.address() == ""
    await queue.write_halt(misdirected)
    assert await end_halt(queue) == misdirected
    assert await queue.address() == "the-address"
    assert 604_000 < await redis.ttl(keys.address) <= 604_800
    await redis.delete(keys.address)
    await redis.hset(keys.address, "of", "another program")
    assert await queue.address() == "", "a key of another type says nothing"
    await queue.note_address("another")
    assert (await queue.address(), await redis.ttl(keys.address)) == ("another", 604_800)


@pytest.mark.parametrize("text", [b"stop!", b"\xff\xfe", b'"a string"', b"[1]", b'{"reason": 1}', b"{}", b"null"])
async def test_a_halt_that_a_person_wrote_halts_and_can_be_ended(
    redis: Redis, keys: QueueKeys, queue: Queue, text: bytes
) -> None:
    await redis.set(keys.halt, text)
    found = await queue.halt()
    assert found is not None
    assert found.reason == "unknown"
    assert await queue.write_halt(HALT) == HALT, "and a halt with a cause replaces it"
    await redis.set(keys.halt, text)
    assert await end_halt(queue) == found
    assert await queue.halt() is None


async def test_resume_does_not_end_a_halt_that_came_after_the_one_it_reports(
    redis_client: Redis, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = HaltRecord("credentials", "the API answered 401", "2026-01-01T00:00:00Z", "key-1")
    new = HaltRecord("dead_letter_brake", "most were refused", "2026-01-01T00:00:01Z", "")
    queue = Queue(redis_client, queue_name, 1)
    await queue.write_halt(old)
    end = queue.end_halt

    async def end_late(halt: HaltRecord | None = None, *, looked: bool) -> HaltRecord | None:
        """Another worker halts between the question and the end."""
        await redis_client.delete(QueueKeys(queue_name).halt)
        await queue.write_halt(new)
        return await end(halt, looked=looked)

    monkeypatch.setattr(queue, "end_halt", end_late)
    assert await end_halt(queue) == old
    assert await queue.halt() == new


async def test_resume_ends_a_halt_that_was_written_by_hand(redis_client: Redis, queue_name: str) -> None:
    text = b'{ "reason": "credentials", "detail": "by hand",  "since": "", "fingerprint": "" }'
    await redis_client.set(QueueKeys(queue_name).halt, text)
    queue = Queue(redis_client, queue_name, 1)
    assert (await end_halt(queue)) == HaltRecord("credentials", "by hand", "", "")
    assert await queue.halt() is None


async def test_a_halt_of_another_type_is_named(redis: Redis, keys: QueueKeys, queue: Queue) -> None:
    for key, read in (
        (keys.retry, queue.orders),
        (keys.halt, queue.orders),
        (keys.halt, queue.halt),
        (keys.recognized, queue.recognized),
        (keys.shards, queue.shards),
    ):
        await redis.delete(key)
        await redis.rpush(key, "x")
        with pytest.raises(WrongTypeError, match=key):
            await read()
