"""A reply to a push that is lost: redis-py by itself doubles the events, a producer says what is known.

In `test_repeated_pushes.py`, the producer repeats the push.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

import pytest
from redis.asyncio import Redis

from forwarder import Durability, ForwarderError, MaybePushedError, NotDurableError, Producer, PushError, SyncProducer
from forwarder.cli.ndjson import Pusher
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.wire.exchange import _over_blocking
from tests.support.faults import fault
from tests.support.producers import KINDS, Kind, connected
from tests.support.servers.proxy import Proxy
from tests.support.service import event, eventually, free_port, port_of


def once(what: bytes, after: int = 0) -> Callable[[bytes], bool]:
    """Loses one reply: to the first command of this kind after so many others of it."""
    seen: Iterator[int] = iter(range(1_000_000))
    return lambda data: what in data and next(seen) == after


@pytest.fixture
def server(own_redis: Callable[..., EmbeddedRedis]) -> EmbeddedRedis:
    return own_redis(port=free_port())


async def test_redis_py_by_itself_doubles_an_event_whose_reply_is_lost(server: EmbeddedRedis) -> None:
    async with Proxy(port_of(server.url)) as proxy, connected(server) as redis:
        proxy.loses_reply_to = once(b"RPUSH")
        # What Redis.from_url makes does not repeat it (8.1.0).
        async with Redis(port=port_of(proxy.url)) as plain:
            await plain.rpush("events", event("u", 1))
        assert proxy.lost == 1
        assert await redis.lrange("events", 0, -1) == [event("u", 1)] * 2


@pytest.mark.parametrize("most", [None, 10_000])
@pytest.mark.parametrize("kind", KINDS)
@fault(
    "producer",
    "the reply to a push is lost",
    "without repeating (`retry_for=0`), the error says what may have been pushed",
    keeps=(1, 3),
)
async def test_a_producer_that_repeats_nothing_says_what_may_have_been_pushed(
    server: EmbeddedRedis, kind: Kind, most: int | None
) -> None:
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, max_waiting=most, retry_for=0) as producer,
    ):
        proxy.loses_reply_to = once(b"RPUSH")
        with pytest.raises(MaybePushedError, match=r"^1 maybe pushed: ") as one:
            await producer.push_many([event("u", 0)])
        assert (one.value.pushed, one.value.uncertain, one.value.not_pushed) == ((), (0,), ())
        assert await redis.lrange("events", 0, -1) == [event("u", 0)]
        await redis.delete("events")

        proxy.loses_reply_to = once(b"RPUSH", after=1)
        with pytest.raises(MaybePushedError, match=r"^1,000 pushed, 1,000 maybe pushed, 500 not pushed: ") as many:
            await producer.push_many([event("u", number) for number in range(2_500)])
        assert many.value.pushed == tuple(range(1_000))
        assert many.value.uncertain == tuple(range(1_000, 2_000))
        assert many.value.not_pushed == tuple(range(2_000, 2_500))
        found = [json.loads(element)["n"] for element in await redis.lrange("events", 0, -1)]
        assert found in (list(range(1_000)), list(range(2_000))), "all of a command, or nothing of it"
        await producer.push("u", "goes on")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_replied_before_the_connection_was_lost_is_known(server: EmbeddedRedis, kind: Kind) -> None:
    durability = Durability(replicas=1, within=20)
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        kind(proxy.url, durability=durability, retry_for=0) as producer,
    ):

        async def blocked() -> bool:
            return bool((await redis.info("clients"))["blocked_clients"])

        pushing = asyncio.create_task(producer.push("u", "n"))
        await eventually(blocked, what="it waits for a replica")
        proxy.cut()
        # The reply to the push itself may be lost with the connection, before it was read.
        with pytest.raises((NotDurableError, MaybePushedError)) as raised:
            await pushing
        if isinstance(raised.value, NotDurableError):
            assert str(raised.value).startswith("1 pushed: it is not known whether they are durable: ")
        assert await redis.llen("events") == 1


async def interrupted(producer: Producer, seconds: float | None) -> None:
    async with asyncio.timeout(seconds):
        await producer.push("u", "interrupted")


@pytest.mark.parametrize("seconds", [None, 0.05])
async def test_no_push_reads_the_reply_to_one_that_was_cancelled(server: EmbeddedRedis, seconds: float | None) -> None:
    async with Proxy(port_of(server.url)) as proxy, connected(server) as redis, Producer(proxy.url) as producer:
        await producer.push("u", "first")
        proxy.black_hole = True
        pushing = asyncio.create_task(interrupted(producer, seconds))
        if seconds is None:
            for _ in range(10):
                await asyncio.sleep(0)  # the command is under way
            pushing.cancel()
        with pytest.raises((asyncio.CancelledError, TimeoutError)):
            await pushing
        proxy.black_hole = False
        for _ in range(3):
            await producer.push("u", "later")
        names = [json.loads(element)["name"] for element in await redis.lrange("events", 0, -1)]
        assert [name for name in names if name != "interrupted"] == ["first", "later", "later", "later"]
        assert names.count("interrupted") <= 1


def test_a_push_that_a_signal_interrupts_leaves_no_reply_behind(server: EmbeddedRedis) -> None:
    """Ctrl-C, between any two lines of the round trip: the connection may be lost by that, but not be used again."""
    with SyncProducer(server.url) as producer:
        pool: Any = producer._channel.redis.connection_pool
        producer.push("u", "n")
        for line in range(100):
            if not interrupted_at(line, producer):
                break
            for connection in pool._available_connections:
                connection.send_command("ECHO", f"{line}")
                assert connection.read_response() == b"%d" % line
        assert line > 10


def interrupted_at(line: int, producer: SyncProducer) -> bool:
    """Interrupts a push at a line of the round trip; False if it has fewer."""
    passed = count()

    def local(_: FrameType, event: str, __: object) -> Any:
        if event == "line" and next(passed) == line:
            raise KeyboardInterrupt
        return local

    def calls(frame: FrameType, _: str, __: object) -> Any:
        return local if frame.f_code is _over_blocking.__code__ else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        producer.push("u", "n")
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


async def test_a_task_that_is_being_cancelled_may_still_push(server: EmbeddedRedis) -> None:
    async def last_words(producer: Producer) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await producer.push("u", "goodbye")
            said.append("pushed")

    said: list[str] = []
    async with Producer(server.url) as producer, connected(server) as redis:
        task = asyncio.create_task(last_words(producer))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (said, await redis.llen("events")) == (["pushed"], 1)


async def test_many_cancelled_pushes_leak_no_connection(server: EmbeddedRedis) -> None:
    async with connected(server) as redis, Producer(server.url) as producer:
        for turn in range(30):
            pushes = [asyncio.create_task(producer.push("u", "n")) for _ in range(30)]
            for _ in range(turn):
                await asyncio.sleep(0)
            for push in pushes[::2]:
                push.cancel()
            done: list[Any] = await asyncio.gather(*pushes, return_exceptions=True)
            assert all(each is None for each in done[1::2]), done

        async def few() -> bool:
            return len(await redis.client_list()) <= 17

        await eventually(few)
        assert len(await redis.lrange("events", 0, -1)) >= 450


async def test_lines_whose_reply_is_lost_are_named(server: EmbeddedRedis, capsys: pytest.CaptureFixture[str]) -> None:
    async with (
        Proxy(port_of(server.url)) as proxy,
        connected(server) as redis,
        Producer(proxy.url, retry_for=0) as producer,
    ):
        proxy.loses_reply_to = once(b"RPUSH", after=1)
        lines = [event("u", number) + b"\n" for number in range(2_500)]
        lines[1_100:1_100] = [b"\n", b"nonsense\n"]
        pusher = Pusher(producer, 65_536)
        await pusher.push(lines[:1_000])
        expected = r"^1,000 events were pushed; lines 1001 to 2000 may or may not have been: "
        with pytest.raises(ForwarderError, match=expected):
            await pusher.push(lines[1_000:2_000])
        assert (pusher.events, pusher.wrong) == (1_000, 1)
        assert "line 1102: not JSON" in capsys.readouterr().err
        assert await redis.llen("events") in (1_000, 1_998)


@pytest.mark.parametrize("shards", [2, 5])
async def test_lines_of_several_lists_are_counted(server: EmbeddedRedis, shards: int) -> None:
    async with connected(server) as redis, Producer(server.url, shards=shards) as producer:
        await redis.set("events:1", "of another type")
        lines = [event(f"u-{number}", number) + b"\n" for number in range(100)]
        with pytest.raises(ForwarderError) as refused:
            await Pusher(producer, 65_536).push(lines)
        error = refused.value.__cause__
        assert isinstance(error, PushError)
        pushed = sum([await redis.llen(f"events:{shard}") for shard in range(shards) if shard != 1])
        assert 0 < pushed < 100
        assert (len(error.pushed), len(error.not_pushed)) == (pushed, 100 - pushed)
        first, last = error.not_pushed[0] + 1, error.not_pushed[-1] + 1
        said = f"{pushed} events were pushed; {100 - pushed} of lines {first} to {last} were not: "
        assert str(refused.value).startswith(said)
