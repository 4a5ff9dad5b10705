"""Reshardings of every kind, cut off at any step, on a real Redis against a model that knows users only."""

import asyncio
import random
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import UnreachableError
from forwarder.operations import redistribute as redistribution
from forwarder.queue import mover
from forwarder.queue import queue as lists
from forwarder.queue.keys import QueueKeys, Side
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from tests.support.resharding import Crowd, reshard
from tests.support.servers.proxy import Proxy
from tests.support.service import port_of

Step = tuple[int, int, int, int, list[int]]
COURSE = st.lists(
    st.tuples(
        st.integers(1, 7),  # how many lists there are to be
        st.integers(0, 60),  # pushed before
        st.integers(1, 20),  # claimed of each list
        st.integers(0, 10),  # settled of those
        st.lists(st.integers(1, 40), max_size=3),  # scripts after which the reply is lost
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15)
@given(course=COURSE, page=st.integers(1, 20), side=st.sampled_from(["left", "right"]), seed=st.integers(0, 999))
def test_any_course_keeps_every_event_once_and_in_order(
    redis_server: EmbeddedRedis, course: list[Step], page: int, side: Side, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (mover, redistribution):
            patch.setattr(module, "PAGE", page)
        patch.setattr(lists, "MOST_SHARDS", 8)
        asyncio.run(_run(redis_server, course, side, seed))


async def _run(server: EmbeddedRedis, course: list[Step], side: Side, seed: int) -> None:
    queue = f"model-{uuid4().hex[:8]}"  # Hypothesis seeds random
    async with connect(server.url) as redis, Proxy(port_of(server.url)) as proxy:
        crowd, shards = Crowd(redis, queue, random.Random(seed), side=side), 1
        await redis.set(QueueKeys(queue).shards, shards)
        for number, pushed, claim, settle, deaths in course:
            after = number if number != shards else number % 7 + 1
            await crowd.push(shards, pushed)
            await crowd.work(shards, claim=claim, settle=settle)
            for death in deaths:
                proxy.loses = (proxy.scripts + death).__eq__
                with suppress(UnreachableError):
                    await reshard(proxy.url, queue, after, side=side)
            await reshard(server.url, queue, after, side=side)
            await crowd.check(after)
            shards = after
        assert await Queue(redis, queue, 1).shards() == str(shards)
