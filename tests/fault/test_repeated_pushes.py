"""What a producer repeats: lost replies, a Redis that restarts, fails over or is stuck. No error, and nothing twice."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder import Durability, MaybePushedError, NotDurableError, NotPushedError, Producer, PushError
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.producer import target
from tests.support.faults import fault
from tests.support.producers import KINDS, Kind, connected
from tests.support.servers.proxy import Proxy
from tests.support.service import event, eventually, free_port, port_of

pytestmark = pytest.mark.parametrize("kind", KINDS)


def once() -> Callable[[bytes], bool]:
    """Loses the reply to the first push."""
    left = iter([True])
    return lambda data: b"RPUSH" in data and next(left, False)


@pytest.fixture
def server(own_redis: Callable[..., EmbeddedRedis]) -> EmbeddedRedis:
    return own_redis(port=free_port())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply counts as lost after 0.3 s, not after five."""
    monkeypatch.setattr(target, "ANSWER_TIMEOUT", 0.3)


#: Waits for no replica; `within` is part of the time after which a reply counts as lost.
AT_ONCE = Durability(within=0.001)


@fault(
    "producer",
    "replies to a push are lost, again and again",
    "the push is repeated, and each event is in the list once",
    keeps=(1, 2, 3),
)
@pytest.mark.parametrize("most", [None, 10_000])
async def test_lost_replies_cost_nothing(server: EmbeddedRedis, kind: Kind, most: int | None) -> None:
    lost = 0

    def every_second(data: bytes) -> bool:
        nonlocal lost
        lost += b"RPUSH" in data
        return b"RPUSH" in data and lost % 2 == 1

    events = [event(f"u{number % 7}", number) for number in range(4_500)]
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, max_waiting=most) as producer,
    ):
        proxy.loses_reply_to = every_second
        for each in events[:10]:
            await producer.push_many([each])
        await producer.push_many(events[10:])
        assert proxy.lost >= 5
        assert await redis.lrange("events", 0, -1) == events
        assert 60_000 < min([await redis.pttl(key) for key in await redis.keys("{events}:pushed:*")]) < 90_000


@fault(
    "producer",
    "Redis is killed (SIGKILL) during pushes and restarted with its append-only file",
    "the pushes end when it is back, without an error",
    keeps=(1, 2, 3),
)
async def test_a_restart_costs_nothing_but_time(own_redis: Callable[..., EmbeddedRedis], kind: Kind) -> None:
    server = own_redis(port=free_port(), appendonly=True, arguments=["--appendfsync", "always"])
    async with kind(server.url) as producer:
        await producer.push_many([event("u", 0)])
        server.kill()
        pushing = asyncio.create_task(producer.push_many([event("u", 1)]))
        await asyncio.sleep(0.2)
        server.start()
        await pushing
    async with connected(server) as redis:
        assert await redis.lrange("events", 0, -1) == [event("u", 0), event("u", 1)]


@fault(
    "failover",
    "the name of Redis leads to a new master, while connections to the old one, now a replica, stay open",
    "a producer connects anew and pushes to the new one, without an error",
    keeps=(1, 3),
)
async def test_behind_one_name_the_new_master_is_found(
    server: EmbeddedRedis, own_redis: Callable[..., EmbeddedRedis], kind: Kind
) -> None:
    other = own_redis(port=None)
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as old,
        connected(other) as new,
        kind(proxy.url) as producer,
    ):
        await asyncio.gather(*(producer.push("u", "n") for _ in range(4)))
        await old.replicaof("127.0.0.1", str(port_of(other.url)))
        proxy._upstream = port_of(other.url)
        await producer.push("u", "n")
        assert await new.llen("events") == 1


async def test_a_master_that_serves_again_soon_takes_the_push(server: EmbeddedRedis, kind: Kind) -> None:
    async with connected(server) as redis, kind(server.url) as producer:
        await producer.push("u", "n")
        for make, unmake in (
            (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
            (("CONFIG", "SET", "min-replicas-to-write", 1), ("CONFIG", "SET", "min-replicas-to-write", 0)),
        ):
            await redis.execute_command(*make)  # type: ignore[no-untyped-call]
            pushing = asyncio.create_task(producer.push("u", "n"))
            await asyncio.sleep(0.1)
            assert not pushing.done()
            await redis.execute_command(*unmake)  # type: ignore[no-untyped-call]
            await pushing
        assert await redis.llen("events") == 3


@pytest.mark.usefixtures("impatient")
@fault(
    "producer",
    "a push is repeated because its command is stuck on its way, and the command arrives later",
    "it pushes nothing more",
    keeps=(1, 3),
)
async def test_a_command_that_arrives_late_pushes_nothing(server: EmbeddedRedis, kind: Kind) -> None:
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, durability=AT_ONCE) as producer,
    ):
        await producer.push("first", "n")
        proxy.stop_at("push_once", "before")
        await producer.push_many([event("u", 1), event("u", 2)])
        assert proxy.reached.is_set()
        before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        proxy.go_on()

        async def arrived() -> bool:
            return bool((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] > before)

        await eventually(arrived)
        assert (await redis.lrange("events", 0, -1))[1:] == [event("u", 1), event("u", 2)]


@pytest.mark.usefixtures("impatient")
async def test_after_a_connection_that_leads_nowhere_a_new_one_is_used(server: EmbeddedRedis, kind: Kind) -> None:
    """A firewall may have forgotten all of them, without telling anybody."""
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, durability=AT_ONCE, retry_for=0.2) as producer,
    ):
        await asyncio.gather(*(producer.push("u", "n") for _ in range(16)))
        proxy.forget()
        await producer.push("u", "n")
        assert await redis.llen("events") == 17


async def test_after_some_time_it_says_what_is_known(server: EmbeddedRedis, kind: Kind) -> None:
    loop = asyncio.get_running_loop()
    async with Proxy(port_of(server.url)) as proxy, kind(proxy.url, retry_for=0.4) as producer:
        await producer.push("u", "n")
        proxy.loses_reply_to = lambda data: b"RPUSH" in data
        began = loop.time()
        with pytest.raises(MaybePushedError, match=r"^2 maybe pushed: "):
            await producer.push_many([event("u", 1), event("u", 2)])
        assert proxy.lost > 2
        assert 0.4 <= loop.time() - began < 5
        server.kill()
        async with kind(server.url, retry_for=0.1) as fresh:
            with pytest.raises(NotPushedError, match=r"^1 not pushed: "):
                await fresh.push("u", "n")
        server.start()
        before = proxy.lost
        pushing = asyncio.create_task(producer.push("u", "n"))
        await eventually(lambda: proxy.lost > before, pause=0.001)
        server.kill()
        with pytest.raises(MaybePushedError, match=r"^1 maybe pushed: "):
            await pushing


async def test_a_repeated_push_waits_for_its_replicas_too(
    server: EmbeddedRedis, own_redis: Callable[..., EmbeddedRedis], kind: Kind
) -> None:
    """The repeated command writes nothing, so a careless WAIT would have nothing to wait for."""
    replica = own_redis(port=None, arguments=["--replicaof", "127.0.0.1", str(port_of(server.url))])
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, durability=Durability(replicas=1, within=1.0)) as producer,
    ):
        await eventually(lambda: redis.wait(1, 100))
        await producer.push("u", "n")
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            proxy.loses_reply_to = once()
            with pytest.raises(NotDurableError, match=r"^1 pushed: on 0 of 1 replicas"):
                await producer.push("u", "n")
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        assert (proxy.lost, await redis.llen("events")) == (1, 2)
        await eventually(lambda: redis.wait(1, 100))
        proxy.loses_reply_to = once()
        await producer.push("u", "n")
        assert (proxy.lost, await redis.llen("events")) == (2, 3)


async def test_what_was_pushed_before_redis_died_stays_known(server: EmbeddedRedis, kind: Kind) -> None:
    """Redis dies while it waits for a replica that is not there. The tries after that push nothing and know nothing."""
    wanted = Durability(replicas=1, within=10)
    async with kind(server.url) as producer:
        await producer.push("u", "n")  # Redis knows the script now
    async with (
        connected(server) as redis,
        kind(server.url, retry_for=0.2, durability=wanted) as all_in,
        kind(server.url, retry_for=0.2, durability=wanted, max_waiting=3) as part_in,
    ):
        pushes = [asyncio.ensure_future(all_in.push_many([event("u", 1)]))]
        await eventually(lambda: _there(redis, 2))
        pushes.append(asyncio.ensure_future(part_in.push_many([event("u", 2), event("u", 3)])))
        await eventually(lambda: _there(redis, 3))
        server.kill()
        all_ended, part_ended = await asyncio.gather(*pushes, return_exceptions=True)
    assert isinstance(all_ended, NotDurableError)
    assert all_ended.pushed == (0,)
    assert isinstance(part_ended, NotPushedError)
    assert (part_ended.pushed, part_ended.not_pushed) == ((0,), (1,))


async def _there(redis: Redis, events: int) -> bool:
    return bool(await redis.llen("events") == events)


async def test_a_producer_that_is_closed_stops_repeating(server: EmbeddedRedis, kind: Kind) -> None:
    producer = kind(server.url, retry_for=60)
    async with producer:
        await producer.push("u", "n")
        server.kill()
        pushing = asyncio.create_task(producer.push("u", "n"))
        await asyncio.sleep(0.1)
    with pytest.raises(PushError):
        await asyncio.wait_for(pushing, 5)
    with pytest.raises(RuntimeError):
        await producer.push("u", "n")


async def test_a_producer_that_is_closed_while_it_asks_pushes_nothing(
    server: EmbeddedRedis, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.producer.pushes._ASKED_EVERY", 0.0)
    async with connected(server) as redis:
        async with kind(server.url) as producer:
            await producer.push("u", "n")
            await redis.client_pause(300)
            pushing = asyncio.create_task(producer.push("u", "n"))
            await asyncio.sleep(0.1)
        with pytest.raises(NotPushedError, match="the producer was closed"):
            await pushing
        assert await redis.llen("events") == 1
        assert len(await redis.client_list()) == 1, "no connection is left open"


async def test_a_pause_takes_no_connection_from_other_pushes(server: EmbeddedRedis, kind: Kind) -> None:
    if kind is not Producer:
        pytest.skip("the same lines, but the threads of a test are fewer than the connections")
    async with kind(server.url, retry_for=60) as producer:
        await producer.push("u", "n")
        slots = (await producer._channels.here()).slots
        server.kill()
        pushes = [asyncio.ensure_future(producer.push("u", "n")) for _ in range(40)]
        await eventually(slots.locked, pause=0)
        await eventually(lambda: slots._value == 16, pause=0)
        assert not any(each.done() for each in pushes)
    for ended in await asyncio.gather(*pushes, return_exceptions=True):
        assert isinstance(ended, PushError)


async def test_a_cancelled_push_is_not_repeated(server: EmbeddedRedis, kind: Kind) -> None:
    if kind is not Producer:
        pytest.skip("a thread cannot be cancelled")
    async with connected(server) as redis, kind(server.url) as producer:
        await producer.push("u", "n")
        await redis.replicaof("127.0.0.1", "1")
        pushing = asyncio.ensure_future(producer.push("u", "n"))
        await asyncio.sleep(0.1)
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        await redis.replicaof("NO", "ONE")
        await asyncio.sleep(0.3)
        assert await redis.llen("events") == 1
        await producer.push("u", "n")
