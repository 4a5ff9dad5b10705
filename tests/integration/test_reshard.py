"""`forwarder reshard` on a real Redis: everything comes to its new list, in order, or it is refused in clear words."""

import random

import pytest

from forwarder.embedded import EmbeddedRedis
from forwarder.queue import Side, connect
from tests.resharding import Crowd, reshard


@pytest.mark.parametrize("side", ["left", "right"])
async def test_from_one_list_to_many_and_back_all_keeps_its_order(
    each_server: EmbeddedRedis, queue_name: str, side: Side
) -> None:
    async with connect(each_server.url) as redis:
        crowd = Crowd(redis, queue_name, random.Random(side), side=side)
        before = 1
        for after in (4, 8, 3, 1):
            await crowd.push(before, 150)
            await crowd.work(before, claim=20, settle=10)
            await reshard(each_server.url, queue_name, after, side=side)
            await crowd.check(after)
            before = after
