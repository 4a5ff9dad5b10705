"""What workers know of each other, from a real Redis."""

import time

import pytest
from redis.asyncio import Redis

from forwarder.errors import ShardsDisagreeError, WrongTypeError
from forwarder.queue.about import About
from forwarder.queue.fleet import Fleet, Place, colleagues
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from tests.support.rows import GRANT, LAST, packed, rows
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


def row(*, came: float = 1, last: float = 9e15, limit: float = 40, grant: float = 40) -> bytes:
    """As `attend.lua` writes it, or nearly so."""
    return packed([came, last, 1, limit, grant, 0, 0])


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"x", b"1 2", b"9 9 \xff", b"a b c", b"\x00" * 8, b"{}", b"\xdd\xff\xff\xff\xff"),
        *(row(grant=float("nan")), row(grant=-1), row(grant=1e12), row(limit=float("inf")), row(last=1e300)),
        *(row(grant=1)[:-3], row(grant=40)[1:]),
    ],
)
async def test_what_somebody_else_wrote_among_the_workers_disturbs_nobody(
    redis_client: Redis, queue_name: str, text: bytes
) -> None:
    await redis_client.hset(QueueKeys(queue_name).workers, "strange", text)
    assert await colleagues(redis_client, QueueKeys(queue_name)) == []
    assert await fleet(redis_client, queue_name, "one").attend(40.0) == Place(0, 1, 40.0)


@pytest.mark.parametrize("about", ["", "{}", "[]", "x", "[" * 100_000, '{"name"', "\u2028", '{"name":1}'])
async def test_a_worker_without_a_name_is_not_shown(redis_client: Redis, queue_name: str, about: str) -> None:
    keys = QueueKeys(queue_name)
    await redis_client.hset(keys.workers, "strange", row(last=time.time() * 1e6 + 60e6))
    await redis_client.hset(keys.about, "strange", about)
    assert await colleagues(redis_client, QueueKeys(queue_name)) == []


async def test_what_a_newer_version_adds_does_no_harm(redis_client: Redis, queue_name: str) -> None:
    worker = fleet(redis_client, queue_name, "one")
    await worker.attend()
    await redis_client.hset(QueueKeys(queue_name).about, worker.id, '{"name":"one","more":{"than":["that"]}}')
    assert [each.name for each in await colleagues(redis_client, QueueKeys(queue_name))] == ["one"]


async def test_what_is_said_of_a_worker_goes_with_it_and_no_heartbeat_reads_it(
    redis_client: Redis, queue_name: str
) -> None:
    keys = QueueKeys(queue_name)
    first, second = fleet(redis_client, queue_name, "first"), fleet(redis_client, queue_name, "second")
    silent = fleet(redis_client, queue_name, "silent", remembered=0.1)
    for worker in (silent, first, second):
        await worker.attend()
    assert all(b"first" not in packed(row) for row in (await rows(redis_client, queue_name)).values())
    await first.leave()

    async def said() -> set[str]:
        await second.attend()
        return {str(id_, "ascii") if isinstance(id_, bytes) else id_ for id_ in await redis_client.hkeys(keys.about)}

    async def alone() -> bool:
        return await said() == {second.id}

    await eventually(alone)
    assert 0 < await redis_client.pttl(keys.about) <= await redis_client.pttl(keys.workers) + 1_000


async def test_a_large_fleet_reports_less_often_and_is_remembered_for_longer(
    redis_client: Redis, queue_name: str
) -> None:
    places = [await fleet(redis_client, queue_name, "", remembered=3.0).attend() for _ in range(150)]
    assert (places[0].period, places[0].remembered) == (1.0, 3.0)
    assert (places[-1].period, places[-1].remembered) == (1.5, 4.5)


async def test_a_grant_ends_a_second_before_the_others_may_have_it(redis_client: Redis, queue_name: str) -> None:
    worker = fleet(redis_client, queue_name, "one", remembered=10.0)
    place = await worker.attend(40.0)
    assert (place.grant, place.lasts) == (40.0, 9.0)


async def test_a_worker_that_leaves_has_no_place_and_keeps_its_grant_for_a_second(
    redis_client: Redis, queue_name: str
) -> None:
    first, second = fleet(redis_client, queue_name, "first"), fleet(redis_client, queue_name, "second")
    assert (await first.attend(40.0)).grant == 40
    await first.leave()
    await first.leave()
    assert await second.attend(40.0) == Place(0, 1, 0.0)
    assert await first.attend(40.0, held=40.0) == Place(1, 2, 20.0), "what it still holds counts"


@pytest.mark.parametrize("key", ["workers", "shards"])
async def test_another_type_among_the_fleets_keys_is_named(redis_client: Redis, queue_name: str, key: str) -> None:
    await redis_client.rpush(getattr(QueueKeys(queue_name), key), "x")
    with pytest.raises(WrongTypeError, match=f":{key}"):
        await fleet(redis_client, queue_name, "one").attend()
    queue = Queue(redis_client, queue_name, 4)
    with pytest.raises(WrongTypeError, match=f":{key}"):
        await (queue.workers() if key == "workers" else queue.shards())


async def test_workers_that_cannot_say_anything_of_themselves_work_and_are_counted(
    redis_client: Redis, queue_name: str
) -> None:
    keys = QueueKeys(queue_name)
    await redis_client.set(keys.about, "not ours")
    worker, late = fleet(redis_client, queue_name, "one"), fleet(redis_client, queue_name, "late")
    assert await worker.attend(40.0) == Place(0, 1, 40.0)
    assert (await late.attend()).workers == 2
    assert await redis_client.ttl(keys.about) == -1, "it is not ours"
    assert [each.name for each in await colleagues(redis_client, keys)] == [worker.id, late.id]
    await late.leave()
    assert await late.describe(about("late")) == 1.0
    assert set(await rows(redis_client, queue_name)) == {worker.id, late.id}
    await worker.leave()
    assert await redis_client.get(keys.about) == b"not ours"
    assert await redis_client.ttl(keys.about) == -1


async def test_the_version_before_can_read_a_row(redis_client: Redis, queue_name: str) -> None:
    """It deletes a row that does not end in a text. Then it would not count this worker, and take its part of the rate.

    It leaves the name of a worker there.
    """
    worker = fleet(redis_client, queue_name, "one")
    await worker.attend(40.0)
    ((id_, row),) = (await rows(redis_client, queue_name)).items()
    assert row[7:] == [""]
    await redis_client.hset(QueueKeys(queue_name).workers, "of another", packed([row[0] + 1, *row[1:7], "{}"]))
    assert await worker.attend(40.0, held=40.0) == Place(0, 2, 0.0), "the other one has it all"
    await worker.leave()
    assert (await rows(redis_client, queue_name))[id_][7:] == [""]
    await worker.describe(about("one"))
    assert (await rows(redis_client, queue_name))[id_][7:] == [""]


async def test_a_row_that_would_never_be_forgotten_keeps_neither_a_place_nor_the_rate(
    redis_client: Redis, queue_name: str
) -> None:
    await fleet(redis_client, queue_name, "one").attend(40.0)
    ((id_, row),) = (await rows(redis_client, queue_name)).items()
    row[LAST], row[GRANT] = 9e15, 40.0  # the year 2255
    await redis_client.hset(QueueKeys(queue_name).workers, id_, packed(row))
    assert await Queue(redis_client, queue_name, 1).workers() == {}
    assert await Queue(redis_client, queue_name, 1).write_shards("4", "4")
    assert await fleet(redis_client, queue_name, "another").attend(40.0) == Place(0, 1, 40.0)


def about(name: str, state: str = "halted") -> About:
    return About(name, state=state)


async def test_a_halted_worker_is_shown_and_counts_for_nobody(redis_client: Redis, queue_name: str) -> None:
    halted, first = fleet(redis_client, queue_name, "halted"), fleet(redis_client, queue_name, "first")
    queue = Queue(redis_client, queue_name, 4)
    assert await halted.describe(about("halted")) == 1.0
    assert await first.attend(40.0) == Place(0, 1, 40.0)
    assert await halted.describe(about("halted", "still halted")) == 1.0
    assert await first.attend(40.0, held=40.0) == Place(0, 1, 40.0)
    shown = await colleagues(redis_client, QueueKeys(queue_name))
    assert [(each.id, each.about.state, each.placed) for each in shown] == [
        (first.id, "", True),
        (halted.id, "still halted", False),
    ]
    assert list(await queue.workers(placed=True)) == [first.id]
    await first.leave()
    assert await queue.write_shards("4", "4"), "it does not keep anybody from resharding"
    assert await halted.attend() == Place(0, 1), "it has resumed"
    assert list(await queue.workers(placed=True)) == [halted.id]


async def test_a_halted_worker_that_leaves_is_gone(redis_client: Redis, queue_name: str) -> None:
    worker = fleet(redis_client, queue_name, "one")
    await worker.describe(about("one"))
    await worker.leave()
    assert not await rows(redis_client, queue_name)
    assert not await Queue(redis_client, queue_name, 4).workers()


async def test_a_halted_worker_holds_the_grant_it_had_for_a_second_and_no_longer(
    redis_client: Redis, queue_name: str
) -> None:
    first, second = fleet(redis_client, queue_name, "first"), fleet(redis_client, queue_name, "second")
    await first.attend(40.0)
    for _ in range(2):
        await first.describe(about("first"))  # it could not say that it left
        assert await second.attend(40.0) == Place(0, 1, 0.0)
    ends = (await rows(redis_client, queue_name))[first.id][LAST]
    await first.describe(about("first"))
    assert (await rows(redis_client, queue_name))[first.id][LAST] == ends < time.time() * 1e6 + 1e6
    await redis_client.hset(
        QueueKeys(queue_name).workers, first.id, packed([0, (time.time() - 0.1) * 1e6, 1, 40.0, 40.0, 0, 0, ""])
    )
    await first.describe(about("first"))
    assert await second.attend(40.0) == Place(0, 1, 40.0)
    assert first.id in await rows(redis_client, queue_name), "it is remembered as long as any other"


async def test_what_a_halted_worker_said_late_does_not_cost_it_its_place(redis_client: Redis, queue_name: str) -> None:
    first, second = fleet(redis_client, queue_name, "first"), fleet(redis_client, queue_name, "second")
    await first.attend()
    await first.attend()
    await second.attend()
    first._calls = 0
    await first.describe(about("first"))
    assert await second.attend() == Place(1, 2)
    first._calls = 9
    assert await first.attend() == Place(0, 2)


async def test_halted_workers_that_are_restarted_leave_nothing_behind(redis_client: Redis, queue_name: str) -> None:
    """No heartbeat sweeps, as nobody has a place."""
    await fleet(redis_client, queue_name, "lasts").describe(about("lasts"))
    await fleet(redis_client, queue_name, "dies", remembered=0.05).describe(about("dies"))
    await redis_client.hset(QueueKeys(queue_name).workers, "strange", b"x")

    async def forgotten() -> bool:
        return "dies" not in {each.name for each in await colleagues(redis_client, QueueKeys(queue_name))}

    await eventually(forgotten)
    await fleet(redis_client, queue_name, "comes").describe(about("comes"))
    assert len(await rows(redis_client, queue_name)) == await redis_client.hlen(QueueKeys(queue_name).about) == 2


async def test_many_halted_workers_report_less_often_and_are_remembered_for_longer(
    redis_client: Redis, queue_name: str
) -> None:
    row = packed([0, (time.time() + 60) * 1e6, 1, 0, 0, 0, 0, ""])
    await redis_client.hset(QueueKeys(queue_name).workers, mapping=dict.fromkeys(map(str, range(150)), row))
    worker = fleet(redis_client, queue_name, "one", remembered=3.0)
    assert await worker.describe(about("one")) == 1.51
    assert (await rows(redis_client, queue_name))[worker.id][LAST] > time.time() * 1e6 + 4e6
