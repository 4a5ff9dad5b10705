"""What workers know of each other, from a real Redis."""

import pytest
from redis.asyncio import Redis

from forwarder.errors import ShardsDisagreeError, WrongTypeError
from forwarder.queue.fleet import Fleet, Place, colleagues
from forwarder.queue.keys import QueueKeys
from tests.support.service import eventually


def fleet(redis: Redis, queue: str, name: str, *, of: int = 4, remembered: float = 30.0) -> Fleet:
    return Fleet(redis, queue, of, name=name, remembered=remembered)


async def test_workers_have_places_in_the_order_they_came(redis_client: Redis, queue_name: str) -> None:
    workers = [fleet(redis_client, queue_name, f"a name {n}") for n in range(3)]
    assert [await worker.attend() for worker in workers] == [Place(0, 1), Place(1, 2), Place(2, 3)]
    assert [await worker.attend() for worker in reversed(workers)] == [Place(2, 3), Place(1, 3), Place(0, 3)]
    assert [each.name for each in await colleagues(redis_client, QueueKeys(queue_name))] == [
        f"a name {n}" for n in range(3)
    ]


async def test_who_leaves_and_comes_again_comes_last(redis_client: Redis, queue_name: str) -> None:
    first, second = fleet(redis_client, queue_name, "first"), fleet(redis_client, queue_name, "second")
    await first.attend()
    await second.attend()
    await first.leave()
    assert await second.attend() == Place(0, 1)
    assert await first.attend() == Place(1, 2)


async def forgotten(redis: Redis, queue: str) -> Fleet:
    """A worker that came first and was silent for so long that the second one is alone."""
    first, second = fleet(redis, queue, "first", remembered=0.2), fleet(redis, queue, "second")
    await first.attend()
    await second.attend()

    async def alone() -> bool:
        return await second.attend() == Place(0, 1)

    await eventually(alone)
    return first


async def test_a_silent_worker_is_forgotten_but_has_its_place_again(redis_client: Redis, queue_name: str) -> None:
    first = await forgotten(redis_client, queue_name)
    assert [each.name for each in await colleagues(redis_client, QueueKeys(queue_name))] == ["second"]
    assert await first.attend() == Place(0, 2), "a hiccup moves no list"


async def test_a_worker_that_lost_its_leases_meanwhile_comes_last(redis_client: Redis, queue_name: str) -> None:
    first = await forgotten(redis_client, queue_name)
    first.forget_place()
    assert await first.attend() == Place(1, 2)


async def test_the_first_worker_says_how_many_lists_there_are(redis_client: Redis, queue_name: str) -> None:
    await fleet(redis_client, queue_name, "first", of=4).attend()
    assert await redis_client.get(QueueKeys(queue_name).shards) == b"4"
    other = fleet(redis_client, queue_name, "other", of=8)
    with pytest.raises(ShardsDisagreeError, match="FORWARDER_SHARDS=4"):
        await other.attend()
    assert len(await colleagues(redis_client, QueueKeys(queue_name))) == 1, "who must not work is not counted"


async def test_all_is_gone_when_nobody_comes_any_more(redis_client: Redis, queue_name: str) -> None:
    await fleet(redis_client, queue_name, "one", remembered=0.1).attend()

    async def gone() -> bool:
        return not await redis_client.exists(QueueKeys(queue_name).workers)

    await eventually(gone)


@pytest.mark.parametrize("text", [b"", b"x", b"1 2", b"9 9 \xff", b"a b c"])
async def test_what_somebody_else_wrote_among_the_workers_disturbs_nobody(
    redis_client: Redis, queue_name: str, text: bytes
) -> None:
    await redis_client.hset(QueueKeys(queue_name).workers, "strange", text)
    assert await colleagues(redis_client, QueueKeys(queue_name)) == []
    assert await fleet(redis_client, queue_name, "one").attend() == Place(0, 1)


async def test_another_type_among_the_fleets_keys_is_named(redis_client: Redis, queue_name: str) -> None:
    await redis_client.rpush(QueueKeys(queue_name).workers, "x")
    with pytest.raises(WrongTypeError, match="workers"):
        await fleet(redis_client, queue_name, "one").attend()
