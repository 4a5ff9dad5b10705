"""`forwarder reshard` that is killed, cut off, overtaken, or meets a full Redis: the next one finishes it."""

import asyncio
import multiprocessing
import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from forwarder import cli
from forwarder.demo.redis_server import EmbeddedRedis, installed_servers, version_of
from forwarder.errors import ReshardError, UnreachableError
from forwarder.operations import redistribute as redistribution
from forwarder.queue import mover
from forwarder.queue import queue as lists
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from tests.support.faults import fault
from tests.support.resharding import Crowd, reshard
from tests.support.servers.proxy import Proxy
from tests.support.service import eventually, port_of

KILLS = int(os.environ.get("TEST_KILLS", "30"))
#: How many lists there are, one resharding after the other.
COURSE = (4, 8, 3, 1)


#: Small pages, so that there are many, and few lists among which to look for strays.
SMALL = ((redistribution, "PAGE", 7), (mover, "PAGE", 7), (lists, "MOST_SHARDS", 16))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def dice() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


async def _more(crowd: Crowd, shards: int) -> None:
    await crowd.push(shards, 100)
    await crowd.work(shards, claim=60 // shards, settle=30 // shards)


@fault(
    "connection",
    "lost during `forwarder reshard`, after each of its steps in turn",
    "the same command continues from there",
    keeps=(1, 2, 3),
)
@pytest.mark.usefixtures("small")
async def test_a_reply_lost_at_each_step_in_turn_loses_and_doubles_nothing(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, dice: random.Random
) -> None:
    crowd, shards = Crowd(redis_client, queue_name, dice), 1
    async with Proxy(port_of(redis_server.url)) as proxy:
        for after in COURSE:
            await _more(crowd, shards)
            step = 1  # the first one only reads, and is repeated
            while await Queue(redis_client, queue_name, 1).shards() != str(after):
                step += 1
                dying = proxy.scripts + step
                proxy.loses = dying.__eq__
                with suppress(UnreachableError):
                    await reshard(proxy.url, queue_name, after)
            await crowd.check(after)
            shards = after
        assert proxy.lost > 60, "or nothing was shown"


def _command(url: str, queue: str, shards: int) -> None:
    """The command, in a process of its own."""
    for module, name, value in SMALL:
        setattr(module, name, value)
    os.environ |= {"FORWARDER_REDIS_URL": url, "FORWARDER_QUEUE": queue}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["forwarder", "reshard", str(shards), "--move"]
    cli.main()


@pytest.mark.long
@pytest.mark.timeout(60 + KILLS * 10)
@fault(
    "process",
    "`forwarder reshard` is killed (SIGKILL) at random moments",
    "the same command continues from there",
    keeps=(1, 2, 3),
)
async def test_sigkill_at_random_moments_loses_and_doubles_nothing(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, dice: random.Random
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["forwarder.cli.reshard", "pytest"])
    crowd, shards, kills, course = Crowd(redis_client, queue_name, dice), 1, 0, 0
    async with Proxy(port_of(redis_server.url)) as proxy:

        async def run(after: int, most: int) -> int | None:
            process = context.Process(target=_command, args=(proxy.url, queue_name, after))
            proxy.loses = _killer(process, proxy.scripts + dice.randint(1, most))
            process.start()
            await eventually(lambda: process.exitcode is not None, within=60)
            return process.exitcode

        while kills < KILLS or shards != 1:
            after = COURSE[course % len(COURSE)]
            course += 1
            await _more(crowd, shards)
            most = 8
            while (code := await run(after, most)) != 0:
                assert code == -9
                kills += 1
                most += 6
            await crowd.check(after)
            shards = after


def _killer(process: ForkServerProcess, moment: int) -> Callable[[int], bool]:
    def killed(script: int) -> bool:
        if script == moment:
            process.kill()
        return False

    return killed


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "script", ["reshard", "acquire", "set_aside", "unload_events", "load", "unload_counts", "tidy"]
)
@pytest.mark.parametrize("when", ["before", "after"])
@fault(
    "process",
    "`forwarder reshard` is frozen, another one does all the work, and the first one wakes",
    "it changes nothing, and says that it was overtaken",
    keeps=(1, 2, 3),
)
async def test_one_that_was_overtaken_changes_nothing(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, dice: random.Random, script: str, when: str
) -> None:
    crowd = Crowd(redis_client, queue_name, dice)
    await _more(crowd, 1)
    async with Proxy(port_of(redis_server.url)) as proxy:
        await reshard(proxy.url, queue_name, 2)  # the scripts are known
        await _more(crowd, 2)
        proxy.stop_at(script, when)  # type: ignore[arg-type]
        frozen = asyncio.create_task(reshard(proxy.url, queue_name, 1))
        await proxy.reached.wait()
        await reshard(redis_server.url, queue_name, 1)
        await crowd.check(1)
        await _more(crowd, 1)
        proxy.go_on()
        with pytest.raises(ReshardError, match=r"taken over|started meanwhile"):
            await frozen
        await _more(crowd, 1)
        await reshard(redis_server.url, queue_name, 4)
        await crowd.check(4)


@pytest.mark.usefixtures("small")
@fault("process", "two `forwarder reshard` at once", "one of them does all the work", keeps=(1, 2, 3))
async def test_two_at_once_lose_and_double_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, dice: random.Random
) -> None:
    crowd, shards = Crowd(redis_client, queue_name, dice), 1
    overtaken = 0
    for after in COURSE:
        await _more(crowd, shards)
        both = [reshard(redis_url, queue_name, after) for _ in range(2)]
        for ending in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(ending, ReshardError):
                overtaken += 1
            else:
                assert not isinstance(ending, BaseException), ending
        await reshard(redis_url, queue_name, after)
        await crowd.check(after)
        shards = after
    assert overtaken, "or nothing was shown"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("server", [*installed_servers()], ids=lambda path: str(version_of(path)))
@fault("Redis", "full (`noeviction`) when the number of lists is changed", "everything is moved", keeps=(1, 2, 3))
async def test_a_full_redis_is_resharded(
    own_redis: Callable[..., EmbeddedRedis], dice: random.Random, server: Path
) -> None:
    url = own_redis(server=server).url
    async with connect(url) as redis:
        crowd, shards = Crowd(redis, "events", dice), 1
        for after in COURSE:
            await _more(crowd, shards)
            await redis.config_set("maxmemory", 1)
            with pytest.raises(OutOfMemoryError):
                await redis.set("anything", "at all")
            await reshard(url, "events", after)
            await redis.config_set("maxmemory", 0)
            await crowd.check(after)
            shards = after
