"""Reading, replaying and deleting the dead letters of a list, on every Redis there is."""

import pytest
from redis.asyncio import Redis

from forwarder.errors import QueueError, UnreachableError
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.keys import Keys, Side
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import QueueList
from tests.support.claims import owner


@pytest.fixture
def keys(queue_name: str) -> Keys:
    return Keys(queue_name)


@pytest.fixture
def letters(redis: Redis, keys: Keys) -> ListLetters:
    return ListLetters(redis, keys)


async def dead_letters(redis: Redis, keys: Keys, *elements: bytes) -> None:
    """Claims and dead-letters `elements`; gives the lease back."""
    await redis.rpush(keys.list, *elements)
    claims = await owner(redis, keys)
    claimed = await claims.claim(most=1_000, most_bytes=1_000_000, most_bytes_of_one=1_000)
    numbers = range(claimed.first, claimed.first + len(elements))
    letters = [NewLetter(number, claimed.stamp, "rejected", "422", "why", "u-é", 2) for number in numbers]
    await claims.settle(Settlement(letters=letters))
    await claims.lease.release()


async def test_letters_come_oldest_first_whatever_the_page(redis: Redis, keys: Keys, letters: ListLetters) -> None:
    elements = [b"%d" % number for number in range(7)]
    await dead_letters(redis, keys, *elements)
    for page in (1, 2, 6, 7, 8, 100):
        assert [letter.element async for letter in letters.all(page=page)] == elements


async def test_no_letters_are_no_pages(letters: ListLetters) -> None:
    assert [letter async for letter in letters.all()] == []


async def test_a_letter_is_found_by_its_id(redis: Redis, keys: Keys, letters: ListLetters) -> None:
    await dead_letters(redis, keys, b"1", bytes(range(256)))
    [_, second] = [letter async for letter in letters.all()]
    assert (second.element, second.reason, second.status) == (bytes(range(256)), "rejected", "422")
    assert (second.detail, second.user_id, second.attempts) == ("why", "u-é", 2)
    assert abs(second.claimed_at / 1_000 - int(second.id.split("-")[0])) < 60_000
    assert await letters.one(second.id) == second
    assert await letters.one("1-1") is None


async def test_what_is_no_id_is_refused(letters: ListLetters) -> None:
    with pytest.raises(UnreachableError):
        await letters.one("no id")


@pytest.mark.parametrize("side", ["left", "right"])
async def test_a_replay_moves_exactly_one_letter_once(
    redis: Redis, keys: Keys, letters: ListLetters, side: Side
) -> None:
    await dead_letters(redis, keys, b"1", b"2", b"3")
    await redis.rpush(keys.list, b"waits")
    first, second, third = [letter async for letter in letters.all()]
    assert await letters.replay(second.id, b"2 again", side=side)
    for nothing in (second.id, "1-1"):
        assert not await letters.replay(nothing, b"2 again", side=side)
    assert [letter async for letter in letters.all()] == [first, third]
    waiting = await redis.lrange(keys.list, 0, -1)
    assert (waiting or [])[:: 1 if side == "left" else -1] == [b"waits", b"2 again"]
    now = await QueueList(redis, keys).census()
    assert (now.replayed, now.letters, now.dead_lettered) == (1, 2, 3)
    assert not any(now.imbalances.values())


async def test_a_letter_is_deleted_once_and_counted(redis: Redis, keys: Keys, letters: ListLetters) -> None:
    await dead_letters(redis, keys, b"1", b"2", b"3")
    first, second, third = [letter async for letter in letters.all()]
    assert await letters.delete(second.id)
    for nothing in (second.id, "1-1"):
        assert not await letters.delete(nothing)
    assert [letter async for letter in letters.all()] == [first, third]
    now = await QueueList(redis, keys).census()
    assert (now.deleted, now.letters, now.dead_lettered) == (1, 2, 3)
    assert not any(now.imbalances.values())


async def test_a_letter_stays_when_its_deletion_cannot_be_counted(
    redis: Redis, keys: Keys, letters: ListLetters
) -> None:
    await dead_letters(redis, keys, b"1")
    [letter] = [letter async for letter in letters.all()]
    await redis.set(keys.deleted, "text")
    with pytest.raises(QueueError):
        await letters.delete(letter.id)
    assert await letters.one(letter.id) == letter
