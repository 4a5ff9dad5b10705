"""Claiming from every Redis there is: what is claimed, in which order, and what a call that is repeated does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import LeaseLostError, RolledBackError, UnreachableError, WrongTypeError
from forwarder.queue.claims import Claimed, Claims, Settlement
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease, Position
from tests.support.claims import owner
from tests.support.service import census, eventually, push

LIMITS = {"most": 10_000, "most_bytes": 10_000_000, "most_bytes_of_one": 100}


def contender(redis: Redis, queue: str) -> Lease:
    return Lease(redis, Keys(queue), ttl=5.0)


async def snapshot(redis: Redis, queue: str) -> dict[str, bytes | None]:
    return {key: await redis.dump(key) for key in Keys(queue).of_the_list}


async def restore(redis: Redis, snapshot: dict[str, bytes | None]) -> None:
    """Redis goes back in time, as in a failover to a replica that lags behind. A lease lasts a minute then."""
    await redis.delete(*snapshot)
    for key, value in snapshot.items():
        if value is not None:
            await redis.restore(key, 60_000 if key.endswith(":lease") else 0, value)


def numbered(start: int, end: int) -> list[bytes]:
    return [b"event %d" % number for number in range(start, end)]


@pytest.mark.parametrize("side", ["left", "right"])
async def test_the_oldest_events_are_claimed_first(redis: Redis, queue_name: str, side: Side) -> None:
    await push(redis, queue_name, numbered(0, 60), side)
    assert await push(redis, queue_name, numbered(60, 100), side) == 100
    claims = await owner(redis, Keys(queue_name), side=side)
    first = await claims.claim(**LIMITS | {"most": 30})
    rest = await claims.claim(**LIMITS)
    assert (first.first, first.waiting, first.elements) == (1, 70, numbered(0, 30))
    assert (rest.first, rest.waiting, rest.elements) == (31, 0, numbered(30, 100))
    assert await redis.exists(Keys(queue_name).list) == 0


@pytest.mark.parametrize("side", ["left", "right"])
async def test_producers_need_nothing_but_a_push(redis: Redis, queue_name: str, side: Side) -> None:
    push = redis.rpush if side == "left" else redis.lpush
    await push(queue_name, *numbered(0, 20))
    claims = await owner(redis, Keys(queue_name), side=side)
    assert (await claims.claim(**LIMITS | {"most": 11})).elements == numbered(0, 11)


@pytest.mark.parametrize(("most_bytes", "claimed"), [(1, 1), (20, 2), (21, 3), (199, 20), (200, 20), (201, 21)])
async def test_a_claim_ends_at_the_event_that_reaches_its_bytes(
    redis: Redis, queue_name: str, most_bytes: int, claimed: int
) -> None:
    await redis.rpush(queue_name, *[b"%010d" % number for number in range(50)])
    claims = await owner(redis, Keys(queue_name))
    found = await claims.claim(**LIMITS | {"most_bytes": most_bytes})
    assert found.elements == [b"%010d" % number for number in range(claimed)]
    assert await redis.llen(queue_name) == found.waiting == 50 - claimed


async def test_too_long_an_element_is_claimed_without_travelling(redis: Redis, queue_name: str) -> None:
    longest, too_long = bytes(range(100)), bytes(range(101))
    await redis.rpush(queue_name, longest, too_long, b"last")
    claims = await owner(redis, Keys(queue_name))
    claimed = await claims.claim(**LIMITS)
    assert (claimed.first, claimed.elements) == (1, [longest, 101, b"last"])
    fields = (await claims.claimed_fields()).take(9)
    assert fields == [(number, claimed.stamp) for number in (1, 2, 3)]
    assert await claims.read(fields, most_bytes_of_one=100) == [longest, 101, b"last"]
    assert await redis.hget(Keys(queue_name).claimed, f"2-{claimed.stamp}") == too_long


@pytest.mark.parametrize("side", ["left", "right"])
async def test_who_peeks_takes_nothing(redis: Redis, queue_name: str, side: Side) -> None:
    await push(redis, queue_name, [b"oldest", b"x" * 101, *numbered(2, 9)], side)
    claims = await owner(redis, Keys(queue_name), side=side)
    before = await snapshot(redis, queue_name)
    assert await claims.peek(most=4, most_bytes_of_one=100) == [b"oldest", 101, *numbered(2, 4)]
    assert len(await claims.peek(most=100, most_bytes_of_one=100)) == 9
    assert await snapshot(redis, queue_name) == before
    assert not claims.ever


async def test_nothing_waiting_is_an_empty_claim(redis: Redis, queue_name: str) -> None:
    claims = await owner(redis, Keys(queue_name))
    before = await snapshot(redis, queue_name)
    claimed = await claims.claim(**LIMITS)
    assert (claimed.first, claimed.waiting, claimed.elements) == (1, 0, [])
    assert await snapshot(redis, queue_name) == before


async def test_a_stamp_is_the_time_of_redis(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, b"event")
    claims = await owner(redis, Keys(queue_name))
    before = await redis.time()
    stamp = (await claims.claim(**LIMITS)).stamp
    after = await redis.time()
    assert before[0] * 1_000_000 + before[1] <= stamp <= after[0] * 1_000_000 + after[1]


async def repeated(claims: Claims, lost: Claimed) -> Claimed:
    """Claims as an owner that never got `lost`, and with other limits."""
    claims._sequence = lost.first - 1
    return await claims.claim(most=1, most_bytes=1, most_bytes_of_one=LIMITS["most_bytes_of_one"])


@pytest.mark.parametrize("side", ["left", "right"])
async def test_a_repeated_claim_is_answered_with_the_same_events(redis: Redis, queue_name: str, side: Side) -> None:
    await push(redis, queue_name, [*numbered(0, 3), b"x" * 101, *numbered(4, 20)], side)
    claims = await owner(redis, Keys(queue_name), side=side)
    await claims.claim(**LIMITS | {"most": 2})
    lost = await claims.claim(**LIMITS | {"most": 5})
    before = await snapshot(redis, queue_name)
    assert await repeated(claims, lost) == lost
    assert await snapshot(redis, queue_name) == before
    assert (await claims.claim(**LIMITS)).first == 8


async def test_a_large_repeated_claim_is_found_among_others(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 4_000), b"x" * 101, *numbered(4_001, 6_000))
    claims = await owner(redis, Keys(queue_name))
    await claims.claim(**LIMITS | {"most": 3_000})
    lost = await claims.claim(**LIMITS | {"most": 2_000})
    assert lost.elements == [*numbered(3_000, 4_000), 101, *numbered(4_001, 5_000)]
    before = await census(redis, queue_name)
    assert await repeated(claims, lost) == lost
    after = await census(redis, queue_name)
    assert (after.waiting, after.claimed, after.sequence, after.letters) == (1_000, 5_000, 5_000, 0)
    assert before.imbalances == after.imbalances == dict.fromkeys(before.imbalances, 0)


async def test_a_repeated_claim_does_not_stop_redis_however_much_is_claimed(redis: Redis, queue_name: str) -> None:
    """One user who fails for long may leave two million events claimed. Scanned at once they took Redis 5 s."""
    await redis.rpush(queue_name, *numbered(0, 5))
    claims = await owner(redis, Keys(queue_name))
    lost = await claims.claim(**LIMITS)
    others = [f"{number}-{lost.stamp - 1}" for number in range(1_000, 101_000)]
    for start in range(0, len(others), 20_000):
        await redis.hset(Keys(queue_name).claimed, mapping=dict.fromkeys(others[start : start + 20_000], b"x"))
    longest = []
    for _ in range(3):  # a busy machine may hold Redis up, but hardly three times in a row
        await redis.slowlog_reset()
        assert await repeated(claims, lost) == lost
        log = await redis.slowlog_get(128)
        longest.append(max((each["duration"] for each in log if each["command"].startswith(b"EVALSHA")), default=0))
    # A page takes 10,000 on a machine that does nothing else, and all of them at once would take 250,000.
    assert min(longest) < 120_000, "microseconds"


async def test_a_repeated_claim_of_too_long_elements_alone_claims_nothing_more(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, b"x" * 101, b"y" * 102, b"waits")
    claims = await owner(redis, Keys(queue_name))
    lost = await claims.claim(**LIMITS | {"most": 2})
    again = await repeated(claims, lost)
    assert (again.first, again.waiting, again.elements) == (1, 1, [101, 102])


async def test_a_repeated_claim_notices_that_an_event_is_gone(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 5))
    claims = await owner(redis, Keys(queue_name))
    lost = await claims.claim(**LIMITS)
    await redis.hdel(Keys(queue_name).claimed, f"3-{lost.stamp}")
    with pytest.raises(RolledBackError):
        await repeated(claims, lost)


@pytest.mark.parametrize("written", [b"9007199254740991", b"10000000", b"99999999999999", b"10002", b"many", b"-1"])
async def test_a_foreign_sequence_number_bounds_nothing(redis: Redis, queue_name: str, written: bytes) -> None:
    claims = await owner(redis, Keys(queue_name))
    await redis.rpush(queue_name, *numbered(0, 5))
    await claims.claim(**LIMITS | {"most": 1})
    await redis.set(Keys(queue_name).sequence, written)
    before = await snapshot(redis, queue_name)
    with pytest.raises(RolledBackError):
        async with asyncio.timeout(1):
            await claims.claim(**LIMITS)
    assert await snapshot(redis, queue_name) == before
    await claims.lease.release()
    if len(written) > 14 or not written.isdigit():
        with pytest.raises(WrongTypeError, match=Keys(queue_name).sequence):
            await contender(redis, queue_name).acquire()
    else:
        heir = await owner(redis, Keys(queue_name))
        assert (await heir.claim(**LIMITS)).first == int(written) + 1
        assert (await heir.claimed_fields()).foreign == 0, "the next owner adopts what was claimed"


FOREIGN = (
    *(b"abc", b"1", b"1-2", b"-5-1700000000000000", b"5-17000000000000000", b"5" * 5_000 + b"-1700000000000000"),
    *(b"05-1700000000000000", b"0-1700000000000000", b"5-0700000000000000"),
)


async def test_fields_that_no_claim_has_written_are_left_alone(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 3))
    claims = await owner(redis, Keys(queue_name))
    claimed = await claims.claim(**LIMITS)
    await redis.hset(Keys(queue_name).claimed, mapping=dict.fromkeys(FOREIGN, b"x"))
    ids = await claims.claimed_fields()
    assert (ids.take(99), ids.foreign) == ([(number, claimed.stamp) for number in (1, 2, 3)], len(FOREIGN))
    await redis.hset(Keys(queue_name).claimed, f"999999999999999-{claimed.stamp}", b"beyond the sequence")
    assert await repeated(claims, claimed) == claimed


async def test_an_owner_two_claims_behind_must_adopt(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 5))
    claims = await owner(redis, Keys(queue_name))
    lost = await claims.claim(**LIMITS | {"most": 2})
    await claims.claim(**LIMITS | {"most": 2})
    before = await snapshot(redis, queue_name)
    with pytest.raises(RolledBackError):
        await repeated(claims, lost)
    assert await snapshot(redis, queue_name) == before


async def test_whoever_lost_the_lease_claims_nothing(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 5))
    late = await owner(redis, Keys(queue_name))
    await late.claim(**LIMITS | {"most": 2})
    await redis.delete(Keys(queue_name).lease)
    for somebody_else in (False, True):
        if somebody_else:
            await owner(redis, Keys(queue_name), ttl=1_000)
        before = await snapshot(redis, queue_name)
        with pytest.raises(LeaseLostError):
            await late.claim(**LIMITS)
        assert await snapshot(redis, queue_name) == before
        assert late.lease.end == 0
    assert await redis.pttl(Keys(queue_name).lease) > 900_000, "nor does it touch the other's time"


@pytest.mark.parametrize("rolled_back_to", [None, 2])
async def test_a_claim_notices_that_redis_went_back(redis: Redis, queue_name: str, rolled_back_to: int | None) -> None:
    await redis.rpush(queue_name, *numbered(0, 9))
    claims = await owner(redis, Keys(queue_name))
    await claims.claim(**LIMITS | {"most": 5})
    await redis.delete(Keys(queue_name).sequence)
    if rolled_back_to:
        await redis.set(Keys(queue_name).sequence, rolled_back_to)
    before = await snapshot(redis, queue_name)
    with pytest.raises(RolledBackError):
        await claims.claim(**LIMITS)
    assert await snapshot(redis, queue_name) == before


async def test_a_claim_of_nothing_notices_that_settlements_were_rolled_back(redis: Redis, queue_name: str) -> None:
    """After a failover on a quiet list, no settlement comes that would notice it, and the events stay claimed."""
    await redis.rpush(queue_name, *numbered(0, 2))
    claims = await owner(redis, Keys(queue_name))
    claimed = await claims.claim(**LIMITS)
    before = await snapshot(redis, queue_name)
    await claims.settle(Settlement(accepted={claimed.stamp: list(claimed.numbers)}))
    await restore(redis, before)
    with pytest.raises(RolledBackError):
        await claims.claim(**LIMITS)
    assert (await snapshot(redis, queue_name))[Keys(queue_name).claimed] == before[Keys(queue_name).claimed]


async def test_an_owner_who_finds_fewer_events_than_it_listed_must_adopt_again(redis: Redis, queue_name: str) -> None:
    """It has lost its lease to an owner that settled them. A failover then gives back the lease, and the events."""
    await redis.rpush(queue_name, *numbered(0, 3))
    claimed = await (await owner(redis, Keys(queue_name))).claim(**LIMITS)
    await redis.delete(Keys(queue_name).lease)
    late = await owner(redis, Keys(queue_name))
    ids = (await late.claimed_fields()).take(9)
    before = await snapshot(redis, queue_name)
    await redis.delete(Keys(queue_name).lease)
    await (await owner(redis, Keys(queue_name))).settle(Settlement(accepted={claimed.stamp: [1, 2]}))
    with pytest.raises(RolledBackError):
        await late.read(ids, most_bytes_of_one=100)
    await restore(redis, before)
    assert (await late.claim(**LIMITS)).elements == [], "no later command would say that two events were left out"


async def test_a_claim_and_a_settlement_may_be_larger_than_a_lua_call(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 8_500))
    claims = await owner(redis, Keys(queue_name))
    claimed = await claims.claim(**LIMITS)
    assert claimed.elements == numbered(0, 8_500)
    fields = (await claims.claimed_fields()).take(10_000)
    assert fields == [(number, claimed.stamp) for number in range(1, 8_501)]
    assert await claims.read(fields, most_bytes_of_one=1_000) == claimed.elements
    await claims.settle(Settlement(accepted={claimed.stamp: list(range(1, 8_501))}))
    now = await census(redis, queue_name)
    assert (now.waiting, now.claimed, now.accepted) == (0, 0, 8_500)
    assert not any(now.imbalances.values())


async def test_what_is_claimed_is_listed_in_numeric_order_each_once(redis: Redis, queue_name: str) -> None:
    await redis.rpush(queue_name, *numbered(0, 12_000))
    dead = await owner(redis, Keys(queue_name))
    stamps = [(await dead.claim(**LIMITS | {"most": 4_000})).stamp for _ in range(3)]
    await redis.delete(Keys(queue_name).lease)
    heir = await owner(redis, Keys(queue_name))
    assert heir.lease.start == Position(sequence=12_000, settlement=0, claimed=12_000)
    fields = (await heir.claimed_fields()).take(20_000)
    assert fields == [(number + 1, stamps[number // 4_000]) for number in range(12_000)]
    assert await heir.read(fields[9_990:], most_bytes_of_one=1_000) == numbered(9_990, 12_000)
    for none in ((12_001, stamps[2]), (1, stamps[2])):
        with pytest.raises(RolledBackError):
            await heir.read([*fields[9_990:], none], most_bytes_of_one=1_000)


async def test_a_lease_is_exclusive_until_released(redis: Redis, queue_name: str) -> None:
    first, second = contender(redis, queue_name), contender(redis, queue_name)
    assert await first.acquire() is not None
    assert first.token != second.token
    assert await second.acquire() is None
    assert second.end == 0
    await second.release()
    assert await first.acquire() is not None, "its own lease is no obstacle"
    await first.renew()
    await first.release()
    assert first.end == 0
    assert await second.acquire() is not None
    with pytest.raises(LeaseLostError):
        await first.renew()


@dataclass
class Delayed:
    """A client whose next commands reach Redis only when the test sends them on. Until then they have no answer."""

    redis: Redis
    delays: int = 0
    late: list[Callable[[], Awaitable[object]]] = field(default_factory=list)

    async def evalsha(self, *command: object) -> object:
        if not self.delays:
            return await self.redis.evalsha(*command)  # type: ignore[arg-type]
        self.delays -= 1
        self.late.append(lambda: self.redis.evalsha(*command))  # type: ignore[arg-type]
        raise UnreachableError("no answer")

    async def eval(self, *command: object) -> object:
        return await self.redis.eval(*command)  # type: ignore[arg-type]


async def test_who_lost_the_lease_before_it_adopted_finds_out_then(redis: Redis, queue_name: str) -> None:
    """It would adopt what the next owner has left. Then a failover may give it back the lease, and what was settled."""
    await redis.rpush(queue_name, *numbered(0, 2))
    dead = await owner(redis, Keys(queue_name))
    await dead.claim(**LIMITS)
    await dead.lease.release()
    slow = await owner(redis, Keys(queue_name))
    await redis.delete(Keys(queue_name).lease)
    await owner(redis, Keys(queue_name))
    with pytest.raises(LeaseLostError):
        await slow.claimed_fields()


async def test_a_late_command_never_gives_a_lost_lease_back(redis: Redis, queue_name: str) -> None:
    """The late copy made an owner of one who had lost the lease. Then its settlement 1 was taken for that of the owner
    in between, so its event stayed claimed, although it was accepted.
    """
    await (lent := contender(redis, queue_name)).acquire()
    await lent.release()  # Redis has the scripts now
    await redis.rpush(queue_name, *numbered(0, 2))
    slow = Lease(delayed := cast("Redis", Delayed(redis, delays=1)), Keys(queue_name), ttl=5.0)
    with pytest.raises(UnreachableError):
        await slow.acquire()
    assert await slow.acquire() is not None
    claims = Claims(slow, side="left")
    await redis.delete(Keys(queue_name).lease)  # it hangs, and its lease ends
    second = await owner(redis, Keys(queue_name))
    claimed = await second.claim(**LIMITS | {"most": 1})
    await second.settle(Settlement(accepted={claimed.stamp: [1]}))
    await second.lease.release()
    await delayed.late[0]()  # type: ignore[attr-defined]
    for command in (lambda: claims.settle(Settlement()), lambda: claims.claim(**LIMITS), slow.renew):
        with pytest.raises(LeaseLostError):
            await command()


async def test_who_asks_again_for_a_lease_finds_what_it_got_and_can_release_it(redis: Redis, queue_name: str) -> None:
    lease = contender(redis, queue_name)
    await lease.acquire()
    lost = lease.token
    lease._unanswered.append(lost)  # as if the reply had been lost
    assert await lease.acquire() is not None, "its own lease is no obstacle"
    assert lease.token != lost
    assert await contender(redis, queue_name).acquire() is None
    lease._unanswered.append(lease.token)
    lease.token = "was never executed"
    await lease.release()
    assert await contender(redis, queue_name).acquire() is not None


async def test_a_lease_that_never_ends_is_nobodys(redis: Redis, queue_name: str) -> None:
    await redis.set(Keys(queue_name).lease, "restored without its time")
    assert await contender(redis, queue_name).acquire() is not None
    assert await redis.pttl(Keys(queue_name).lease) > 0
    assert await contender(redis, queue_name).acquire() is None


async def test_a_lease_ends_by_the_clock_of_redis(redis: Redis, queue_name: str) -> None:
    first, second = (await owner(redis, Keys(queue_name), ttl=1_000)).lease, contender(redis, queue_name)
    await redis.pexpire(Keys(queue_name).lease, 1)
    assert await eventually(second.acquire, within=5) == Position(0, 0, 0)
    with pytest.raises(LeaseLostError):
        await first.renew()


async def settled_again(claims: Claims) -> None:
    claims._settlement -= 1
    await claims.settle(Settlement())


@pytest.mark.parametrize(
    "prolong", ["acquire", "renew", "claim", "claim again", "claimed fields", "settle", "settle again"]
)
async def test_a_lease_is_counted_from_before_its_command_was_sent(
    each_server: EmbeddedRedis, redis: Redis, queue_name: str, prolong: str
) -> None:
    k = Keys(queue_name)
    key = k.lease
    with BlockingRedis.from_url(each_server.url) as asked:
        lease = Lease(
            redis,
            Keys(queue_name),
            ttl=60,
            clock=lambda: 200.0 if asked.pttl(key) > 30_000 else 100.0,
        )
        await lease.acquire()
        claims = Claims(lease, side="left")
        await redis.rpush(queue_name, b"event")
        lost = await claims.claim(**LIMITS)
        await claims.settle(Settlement())
        await redis.pexpire(key, 5_000)
        lease.end = 0
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "acquire": lease.acquire,
            "renew": lease.renew,
            "claim": lambda: claims.claim(**LIMITS),
            "settle": lambda: claims.settle(Settlement()),
            "claim again": lambda: lease.run("claim", k.of_the_list[:5], lost.first - 1, 0, 1, 1, 1, "left"),
            "claimed fields": claims.claimed_fields,
            "settle again": lambda: settled_again(claims),
        }
        await calls[prolong]()
        assert lease.end == 160
        assert 55_000 < await redis.pttl(key) <= 60_000


async def test_a_key_of_another_type_is_named(redis: Redis, queue_name: str) -> None:
    for key in Keys(queue_name).of_the_list:
        await redis.sadd(key, "a member")
        with pytest.raises(WrongTypeError, match=key) as caught:
            await contender(redis, queue_name).acquire()
        assert "set" in str(caught.value)
        await redis.delete(key)
    for key in Keys(queue_name).of_the_list[3:9]:
        for value in ("-1", "many", "1" * 15, "007", "00"):
            await redis.set(key, value)
            lease = contender(redis, queue_name)
            with pytest.raises(WrongTypeError, match=key):
                await lease.acquire()
            assert lease.end == 0
        await redis.delete(key)
    assert not await redis.exists(Keys(queue_name).lease)
