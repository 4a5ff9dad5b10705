"""One producer in many event loops, threads and processes: it works, or says that nothing was sent."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from forwarder import MaybePushedError, NotPushedError, Producer, SyncProducer
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.wire import exchange
from forwarder.queue.wire.replies import Lost, Refusal
from tests.support.faults import fault
from tests.support.producers import KINDS, Kind
from tests.support.servers.proxy import Proxy
from tests.support.service import eventually, port_of

#: More than there are connections.
AT_ONCE = 40


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def connections(redis: Redis) -> int:
    """How many connections of producers Redis has."""
    return sum(each["name"] == "forwarder" for each in redis.client_list())


def all_closed(redis: Redis) -> bool:
    deadline = time.monotonic() + 5.0
    while connections(redis) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not connections(redis)


async def many(producer: Producer) -> None:
    await asyncio.gather(*(producer.push("u", "n") for _ in range(AT_ONCE)))


@fault(
    "producer",
    "one `Producer` is used in several event loops, one after the other and at once",
    "each event is pushed once; no connection stays open when a loop ends",
    keeps=(1, 3),
)
def test_every_loop_can_push(redis_url: str, redis: Redis, queue_name: str) -> None:
    producer = Producer(redis_url, queue=queue_name)
    for _ in range(3):
        asyncio.run(many(producer))
    assert redis.llen(queue_name) == 3 * AT_ONCE
    assert all_closed(redis)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(asyncio.run, [many(producer) for _ in range(4)]))
    assert redis.llen(queue_name) == 7 * AT_ONCE
    assert all_closed(redis)
    asyncio.run(producer.aclose())
    with pytest.raises(RuntimeError, match="the producer is closed"):
        asyncio.run(many(producer))
    assert redis.llen(queue_name) == 7 * AT_ONCE


def test_a_loop_that_is_closed_without_an_end_leaves_nothing_that_disturbs_the_next(
    redis_url: str, redis: Redis, queue_name: str
) -> None:
    producer = Producer(redis_url, queue=queue_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Python and redis-py complain, rightly
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(many(producer))
            loop.close()
        asyncio.run(many(producer))
        del loop
        gc.collect()
    assert redis.llen(queue_name) == 4 * AT_ONCE
    assert all_closed(redis)


async def test_a_forgotten_producer_closes_its_connections(redis_url: str, redis: Redis, queue_name: str) -> None:
    producer = Producer(redis_url, queue=queue_name)
    await many(producer)
    assert connections(redis) > 1
    del producer
    await eventually(lambda: not connections(redis))


async def test_closing_in_one_loop_closes_the_connections_of_others_there(
    redis_url: str, redis: Redis, queue_name: str
) -> None:
    producer, done = Producer(redis_url, queue=queue_name), threading.Event()

    async def elsewhere() -> None:
        await many(producer)
        pushed.set()
        await asyncio.to_thread(done.wait)

    pushed = threading.Event()
    other = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
    await many(producer)
    await eventually(pushed.is_set)
    await producer.aclose()
    await eventually(lambda: not connections(redis))
    done.set()
    await other


def _given_up(producer: Producer) -> None:
    """A loop that is closed while a push is in flight."""
    loop = asyncio.new_event_loop()
    push = loop.create_task(producer.push("u", "lost"))
    loop.run_until_complete(asyncio.sleep(0.05))  # the push is on its way; in the dark nothing tells that it was sent
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(push)
    loop.close()


def _ended(producer: Producer) -> None:
    """A loop that ends, and cancels the push that is in flight."""

    async def main() -> asyncio.Task[None]:
        push = asyncio.create_task(producer.push("u", "lost"))
        await asyncio.sleep(0.05)  # as above
        return push

    assert asyncio.run(main()).cancelled()


@pytest.mark.parametrize("leave", [_given_up, _ended])
async def test_a_push_in_flight_when_its_loop_ends_disturbs_no_other_loop(
    redis_server: EmbeddedRedis, redis: Redis, queue_name: str, leave: Callable[[Producer], None]
) -> None:
    async with Proxy(port_of(redis_server.url)) as proxy:
        producer = Producer(proxy.url, queue=queue_name)
        await asyncio.to_thread(asyncio.run, producer.push("u", "first"))
        proxy.black_hole = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await asyncio.to_thread(leave, producer)
            gc.collect()
        proxy.black_hole = False
        await asyncio.to_thread(asyncio.run, many(producer))
        await many(producer)
        await producer.aclose()
    assert redis.llen(queue_name) in {2 * AT_ONCE + 1, 2 * AT_ONCE + 2}


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_while_pushes_are_in_flight_says_of_each_what_is_known(
    redis_server: EmbeddedRedis, redis: Redis, queue_name: str, kind: Kind
) -> None:
    async with Proxy(port_of(redis_server.url)) as proxy:
        producer = kind(proxy.url, queue=queue_name)
        await producer.push("u", "first")
        proxy.black_hole = True
        pushes = [asyncio.create_task(producer.push("u", "lost")) for _ in range(4)]
        await eventually(lambda: connections(redis) >= 1)
        await asyncio.sleep(0.1)  # the pushes are on their way; in the dark nothing tells that they were sent
        await producer.__aexit__(None, None, None)
        endings = await asyncio.gather(*pushes, return_exceptions=True)
        proxy.black_hole = False
    maybe = [ending for ending in endings if isinstance(ending, MaybePushedError)]
    assert maybe
    assert all(ending.uncertain == (0,) for ending in maybe)
    others = [ending for ending in endings if not isinstance(ending, MaybePushedError)]
    assert all(isinstance(ending, NotPushedError) or "is closed" in str(ending) for ending in others), others
    assert all_closed(redis)


async def test_closing_between_two_round_trips_of_a_push_says_how_far_it_came(
    redis_server: EmbeddedRedis, queue_name: str
) -> None:
    async with Proxy(port_of(redis_server.url)) as proxy:
        producer = Producer(proxy.url, queue=queue_name)

        def close(data: bytes) -> bool:
            producer._pushes.closed |= b"RPUSH" in data
            return False

        proxy.loses_reply_to = close
        with pytest.raises(NotPushedError, match="1,000 pushed, 500 not pushed: the producer was closed") as caught:
            await producer.push_many([{"user_id": "u", "name": "n"}] * 1_500)
        await producer.aclose()
    assert caught.value.not_pushed == tuple(range(1_000, 1_500))


class Broken:
    """A pool of redis-py, and its connection, that fail in a way that nobody thought of.

    Args:
        at: the method that fails.
    """

    def __init__(self, at: str) -> None:
        self._at = at
        self.closed = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*_: object, **__: object) -> Any:
            self.closed |= name == "disconnect"
            if name == self._at:
                raise RuntimeError("Event loop is closed")
            return self

        return method


class BrokenAsync(Broken):
    """The same for asyncio."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = super().__getattr__(name)

        async def awaited(*_: object, **__: object) -> Any:
            return method()

        return method if name == "pack_commands" else awaited


def _run(work: Coroutine[Any, Any, Any] | list[Any]) -> Any:
    return work if isinstance(work, list) else asyncio.run(work)


@pytest.mark.parametrize(("pool", "over"), [(Broken, exchange._over_blocking), (BrokenAsync, exchange._over)])
def test_whatever_is_raised_after_sending_counts_as_a_lost_reply(pool: type[Broken], over: Callable[..., Any]) -> None:
    commands = [("RPUSH", "events", b"{}")]
    assert isinstance(_run(over(pool("get_connection"), commands))[0], Refusal)
    for method in ("send_packed_command", "read_response"):
        broken = pool(method)
        assert isinstance(_run(over(broken, commands))[0], Lost)
        assert broken.closed
    for method in ("disconnect", "release"):
        broken = pool(method)
        assert _run(over(broken, commands)) == [broken], "it was answered"


_FORKING = """
import asyncio, os, sys, threading, time
from redis import Redis
from forwarder import Producer, SyncProducer

url, queue = sys.argv[1:]
producer = SyncProducer(url, queue=queue)
loops = Producer(url, queue=queue)
producer.push("u", "n")

async def twice():
    await loops.push("u", "n")
    await loops.push("u", "n")

asyncio.run(twice())
with Redis.from_url(url) as redis:
    redis.execute_command("CLIENT", "PAUSE", 500, "WRITE")
threads = [threading.Thread(target=producer.push, args=("u", "n")) for _ in range(20)]
for thread in threads:
    thread.start()
time.sleep(0.1)
child = os.fork()
if child == 0:
    producer.push("u", "n")
    asyncio.run(twice())
    os._exit(0)
for thread in threads:
    thread.join()
asyncio.run(twice())
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_child_process_pushes_although_all_connections_were_in_use_at_the_fork(
    redis_url: str, redis: Redis, queue_name: str
) -> None:
    given = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    subprocess.run([sys.executable, "-c", _FORKING, redis_url, queue_name], check=True, timeout=30, env=given)
    assert redis.llen(queue_name) == 1 + 2 + 20 + 3 + 2


def test_a_refused_connection_is_a_refusal_in_every_loop(queue_name: str) -> None:
    producer = Producer("redis://127.0.0.1:1/0", queue=queue_name, retry_for=0.1)
    for _ in range(2):
        with pytest.raises(NotPushedError):
            asyncio.run(producer.push("u", "n"))
    with SyncProducer("redis://127.0.0.1:1/0", retry_for=0.1) as blocking, pytest.raises(NotPushedError):
        blocking.push("u", "n")
