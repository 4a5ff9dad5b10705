"""Settling on every Redis there is; waiting for events; and commands whose reply is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import LeaseLostError, RolledBackError, UnreachableError, WrongTypeError
from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from tests.support.claims import owner
from tests.support.service import census, eventually, push

LIMITS = {"most": 1_000, "most_bytes": 1_000_000, "most_bytes_of_one": 1_000}
#: Every byte there is: dead letters keep what was pushed, whatever it was.
BYTES = bytes(range(256))


async def snapshot(redis: Redis, queue: str) -> dict[str, bytes | None]:
    return {key: await redis.dump(key) for key in Keys(queue).of_the_list}


async def holder(redis: Redis, queue: str, *elements: bytes) -> tuple[Claims, int]:
    """An owner that has claimed `elements`, and the stamp of its claim."""
    await redis.rpush(queue, *elements)
    claims = await owner(redis, Keys(queue))
    return claims, (await claims.claim(**LIMITS)).stamp


def letter(number: int, stamp: int, *, allowed: bool = False) -> NewLetter:
    return NewLetter(number, stamp, "rejected", "400", "no name", "u-é", attempts=3, allowed=allowed)


async def test_exactly_the_accepted_events_are_deleted(redis: Redis, queue_name: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2", b"3", b"4")
    await redis.rpush(queue_name, b"5", b"6")
    later = (await claims.claim(**LIMITS)).stamp
    await claims.settle(Settlement({stamp: [4, 2], later: [5]}))
    assert (await claims.claimed_fields()).take(9) == [(1, stamp), (3, stamp), (6, later)]
    assert await claims.read([(1, stamp), (3, stamp), (6, later)], most_bytes_of_one=1_000) == [b"1", b"3", b"6"]
    now = await census(redis, queue_name)
    assert (now.accepted, now.dead_lettered, now.settlement) == (3, 0, 1)
    assert not any(now.imbalances.values())


async def test_a_dead_letter_says_everything_and_keeps_the_bytes(redis: Redis, queue_name: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", BYTES, b"3")
    await claims.settle(Settlement({stamp: [3]}, [letter(2, stamp)]))
    found = await redis.xrange(Keys(queue_name).dead) or []
    assert [fields for _, fields in found] == [
        {
            b"element": BYTES,
            b"reason": b"rejected",
            b"status": b"400",
            b"detail": b"no name",
            b"user_id": "u-é".encode(),
            b"claimed_at": str(stamp).encode(),
            b"attempts": b"3",
        }
    ]
    assert (await claims.claimed_fields()).take(9) == [(1, stamp)]
    now = await census(redis, queue_name)
    assert (now.accepted, now.dead_lettered, now.letters) == (1, 1, 1)
    assert not any(now.imbalances.values())


async def test_a_repeated_settlement_is_answered_and_changes_nothing(redis: Redis, queue_name: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2", b"3")
    settlement = Settlement({stamp: [1]}, [letter(2, stamp)])
    await claims.settle(settlement)
    before = await snapshot(redis, queue_name)
    for _ in range(3):
        claims._settlement = 0
        await claims.settle(settlement)
    assert await snapshot(redis, queue_name) == before
    await claims.settle(Settlement({stamp: [3]}))
    assert (await census(redis, queue_name)).accepted == 2


@pytest.mark.parametrize("known", [0, 1, 4, 9])
async def test_a_settlement_out_of_turn_changes_nothing(redis: Redis, queue_name: str, known: int) -> None:
    claims, stamp = await holder(redis, queue_name, *[b"%d" % number for number in range(5)])
    for number in (1, 2):
        await claims.settle(Settlement({stamp: [number]}))
    await claims.settle(Settlement())
    before = await snapshot(redis, queue_name)
    claims._settlement = known
    with pytest.raises(RolledBackError):
        await claims.settle(Settlement({stamp: [3]}, [letter(4, stamp)]))
    assert await snapshot(redis, queue_name) == before


async def test_what_is_not_claimed_spoils_its_whole_settlement(redis: Redis, queue_name: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2", b"3")
    before = await snapshot(redis, queue_name)
    for wrong in (
        Settlement({stamp: [1, 4]}),
        Settlement({stamp: [1], stamp + 1: [2]}),
        Settlement({stamp: [1]}, [letter(2, stamp), letter(4, stamp)]),
        Settlement({stamp: [1]}, [letter(2, stamp), letter(3, stamp - 1)]),
    ):
        with pytest.raises(RolledBackError):
            await claims.settle(wrong)
        assert await snapshot(redis, queue_name) == before
    await claims.settle(Settlement({stamp: [1, 2]}, [letter(3, stamp)]))


@pytest.mark.parametrize("counter", ["accepted", "dead_lettered"])
async def test_a_count_that_redis_cannot_add_to_doubles_no_letter(redis: Redis, queue_name: str, counter: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2")
    await redis.set(getattr(Keys(queue_name), counter), "007")
    before = await snapshot(redis, queue_name)
    with pytest.raises(RolledBackError):
        await claims.settle(Settlement({stamp: [1]}, [letter(2, stamp)]))
    assert await snapshot(redis, queue_name) == before


async def test_an_allowance_of_another_type_doubles_no_letter(redis: Redis, queue_name: str) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2")
    await redis.rpush(Keys(queue_name).allowance, "x")
    before = await snapshot(redis, queue_name)
    with pytest.raises(RolledBackError):
        await claims.settle(Settlement({stamp: [1]}, [letter(2, stamp, allowed=True)]))
    assert await snapshot(redis, queue_name) == before
    with pytest.raises(WrongTypeError, match=Keys(queue_name).allowance):  # before the next owner sends anything
        await Queue(redis, queue_name, 1).lists[0].allowed_refusals()


@pytest.mark.parametrize("somebody_else", [False, True])
async def test_whoever_lost_the_lease_settles_nothing(redis: Redis, queue_name: str, *, somebody_else: bool) -> None:
    claims, stamp = await holder(redis, queue_name, b"1", b"2")
    await redis.delete(Keys(queue_name).lease)
    if somebody_else:
        await owner(redis, Keys(queue_name), ttl=1_000)
    before = await snapshot(redis, queue_name)
    with pytest.raises(LeaseLostError):
        await claims.settle(Settlement({stamp: [1]}, [letter(2, stamp)]))
    with pytest.raises(LeaseLostError):
        await claims.lease.renew()
    await claims.lease.release()
    assert await snapshot(redis, queue_name) == before
    assert await redis.pttl(Keys(queue_name).lease) > 900_000 or not somebody_else


async def test_letters_and_acceptances_beyond_a_lua_call_are_settled_together(redis: Redis, queue_name: str) -> None:
    count = 9_000
    await redis.rpush(queue_name, *[b"%d" % number for number in range(1, count + 1)])
    claims = await owner(redis, Keys(queue_name))
    stamp = (await claims.claim(**LIMITS | {"most": count})).stamp
    odd, even = range(1, count, 2), range(2, count + 1, 2)
    await claims.settle(Settlement({stamp: list(odd)}, [letter(number, stamp) for number in even]))
    letters = [each.element async for each in ListLetters(redis, Keys(queue_name)).all(page=1_000)]
    assert letters == [b"%d" % number for number in even]
    now = await census(redis, queue_name)
    assert (now.claimed, now.accepted, now.dead_lettered) == (0, 4_500, 4_500)


async def test_waiting_ends_at_once_when_events_wait(redis: Redis, queue_name: str) -> None:
    claims, _ = await holder(redis, queue_name, b"claimed")
    await redis.rpush(queue_name, b"1", b"2")
    before = await snapshot(redis, queue_name)
    async with asyncio.timeout(2):
        await claims.wait_for_events(redis, 4)
    assert await snapshot(redis, queue_name) == before


async def test_waiting_ends_with_a_push(redis: Redis, queue_name: str) -> None:
    claims, _ = await holder(redis, queue_name, b"claimed")
    waits = asyncio.create_task(claims.wait_for_events(redis, 4))

    async def blocked() -> bool:
        return any(client["cmd"] == "blmove" and "b" in client["flags"] for client in await redis.client_list())

    await eventually(blocked)
    await push(redis, queue_name, [b"1", b"2"])
    async with asyncio.timeout(2):
        await waits
    assert await redis.lrange(queue_name, 0, -1) == [b"1", b"2"]


async def test_waiting_ends_after_its_time(redis_client: Redis, queue_name: str) -> None:
    claims, _ = await holder(redis_client, queue_name, b"claimed")
    before, started = await snapshot(redis_client, queue_name), time.monotonic()
    await claims.wait_for_events(redis_client, 0.01)
    assert 0.9 < time.monotonic() - started < 3
    assert await snapshot(redis_client, queue_name) == before


async def test_waiting_for_what_is_no_list_names_the_key(redis: Redis, queue_name: str) -> None:
    claims, _ = await holder(redis, queue_name, b"claimed")
    await redis.set(queue_name, "text")
    with pytest.raises(WrongTypeError, match=queue_name):
        await claims.wait_for_events(redis, 1)


async def test_forgotten_scripts_are_taught_again(redis: Redis, queue_name: str) -> None:
    await redis.script_flush()
    claims, stamp = await holder(redis, queue_name, b"1", b"2")
    queue = Queue(redis, queue_name, 1)
    [one] = queue.lists
    halt = HaltRecord("credentials", "detail", "since", "fingerprint")
    calls: list[Callable[[], Awaitable[object]]] = [
        claims.lease.renew,
        claims.claimed_fields,
        lambda: claims.settle(Settlement({stamp: [1]}, [letter(2, stamp)])),
        one.census,
        lambda: queue.write_halt(halt),
        lambda: queue.end_halt(halt),
        lambda: one.letters.replay("1-1", b"", side="left"),
        claims.lease.release,
    ]
    for call in calls:
        await redis.script_flush()
        await call()
    now = await census(redis, queue_name)
    assert (now.lease, now.accepted, now.dead_lettered, now.settlement) == (None, 1, 1, 1)


class Relay:
    """Stands between a client and Redis; once told to, swallows the next reply and cuts the connection."""

    def __init__(self, url: str) -> None:
        self._redis = urlsplit(url)
        self._writers: list[asyncio.StreamWriter] = []
        self.swallow = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        redis, to_redis = await asyncio.open_connection(self._redis.hostname, self._redis.port)
        self._writers += [to_client, to_redis]
        await asyncio.gather(self._commands(client, to_redis), self._replies(redis, to_client))
        to_redis.close()

    async def _commands(self, client: asyncio.StreamReader, to_redis: asyncio.StreamWriter) -> None:
        while data := await client.read(65_536):
            to_redis.write(data)
        to_redis.close()

    async def _replies(self, redis: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await redis.read(65_536):
            if self.swallow:
                self.swallow = False
                break
            to_client.write(data)
        to_client.close()


async def test_what_lost_its_reply_is_done_once_by_a_second_call(each_server: EmbeddedRedis, queue_name: str) -> None:
    async with Relay(each_server.url) as relay, connect(relay.url) as redis:

        async def lost_once(call: Callable[[], Awaitable[object]]) -> object:
            await redis.ping()
            relay.swallow = True
            with pytest.raises(UnreachableError):
                await call()
            return await call()

        claims, stamp = await holder(redis, queue_name, b"1", b"2")
        await claims.settle(Settlement({stamp: [1]}))
        await redis.rpush(queue_name, b"3", b"4", b"5")
        await lost_once(claims.lease.acquire)
        claimed = await lost_once(lambda: claims.claim(**LIMITS | {"most": 2}))
        assert claimed.elements == [b"3", b"4"]  # type: ignore[attr-defined]
        await lost_once(lambda: claims.settle(Settlement({stamp: [2]}, [letter(3, claimed.stamp)])))  # type: ignore[attr-defined]
        now = await census(redis, queue_name)
        assert (now.waiting, now.claimed, now.sequence, now.accepted, now.letters) == (1, 1, 4, 2, 1)
        assert not any(now.imbalances.values())
        await lost_once(claims.lease.release)


async def test_a_killed_connection_is_survived_or_said_and_called_again(
    each_server: EmbeddedRedis, redis: Redis, queue_name: str
) -> None:
    claims, _ = await holder(redis, queue_name, b"1")
    await redis.rpush(queue_name, b"2", b"3")
    async with connect(each_server.url) as killer:
        await killer.client_kill_filter(_id=str(await redis.client_id()))
    try:
        claimed = await claims.claim(**LIMITS)
    except UnreachableError:
        claimed = await claims.claim(**LIMITS)
    assert (claimed.first, claimed.elements) == (2, [b"2", b"3"])
    assert (await census(redis, queue_name)).sequence == 3


async def test_what_a_person_has_allowed_is_counted_down_once(redis: Redis, queue_name: str) -> None:
    queue = Queue(redis, queue_name, 1)
    await queue.allow(5)
    claims, stamp = await holder(redis, queue_name, *(b"%d" % number for number in range(9)))
    settlement = Settlement(letters=[letter(number, stamp, allowed=number < 4) for number in (1, 2, 3, 4)])
    await claims.settle(settlement)
    claims._settlement -= 1
    await claims.settle(settlement)
    assert await queue.lists[0].allowed_refusals() == 2, "three of the four, and a repeated call counts once"
    assert await redis.ttl(Keys(queue_name).allowance) > 0
    await claims.settle(Settlement(letters=[letter(5, stamp)]))
    assert await queue.lists[0].allowed_refusals() == 2
    await claims.settle(Settlement(letters=[letter(number, stamp, allowed=True) for number in (6, 7, 8)]))
    assert not await redis.exists(Keys(queue_name).allowance), "never below nothing"
    await claims.lease.release()
