"""Eight producers push while their connections are cut and Redis is killed again and again: no error, nothing twice."""

import asyncio
import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from forwarder.demo.redis_server import EmbeddedRedis
from tests.support.faults import fault
from tests.support.producers import KINDS, connected
from tests.support.servers.proxy import Proxy
from tests.support.service import eventually, free_port, port_of

#: Redis is back before producers give up, which they do after five seconds by default.
LONGEST_OUTAGE = 3.0
CUTS_PER_RESTART = 4


class Storm:
    """A Redis that is killed, behind a proxy whose connections are cut.

    Each burst is four cuts and a kill. The next one waits until every producer has pushed something: otherwise a slow
    machine would get nothing through between any two cuts, which is no Redis that is back.
    """

    def __init__(self, server: EmbeddedRedis, proxy: Proxy, chance: random.Random) -> None:
        self._server = server
        self._proxy = proxy
        self._chance = chance
        self.over = False
        self.outages: list[float] = []
        #: How many pushes of each user were done.
        self.done: Counter[str] = Counter()

    async def blow(self, restarts: int, pushing: Sequence[asyncio.Task[int]]) -> None:
        for _ in range(restarts):
            await eventually(partial(self._calm, pushing, self.done.copy()))
            for _ in range(CUTS_PER_RESTART):
                await asyncio.sleep(self._chance.uniform(0, 0.1))
                self._proxy.cut()
            await asyncio.sleep(self._chance.uniform(0, 0.1))
            began = time.monotonic()
            self._server.kill()
            await asyncio.sleep(self._chance.choice([0.0, 0.1, 0.3]))
            await asyncio.to_thread(self._server.start)
            self.outages.append(time.monotonic() - began)
        self.over = True

    def _calm(self, pushing: Sequence[asyncio.Task[int]], before: Counter[str]) -> bool:
        all_pushed = len(self.done) == len(pushing) and all(count > before[user] for user, count in self.done.items())
        return all_pushed or any(each.done() for each in pushing)


async def keep_pushing(producer: Any, user: str, storm: Storm, chance: random.Random) -> int:
    """Pushes single events and batches, one after the other; the number of events."""
    number = 0
    while not storm.over:
        [size] = chance.choices([1, 20, 1_100], [60, 35, 5])
        await producer.push_many([{"user_id": user, "name": "n", "n": number + each} for each in range(size)])
        number += size
        storm.done[user] += 1
        await asyncio.sleep(chance.uniform(0, 0.02))
    return number


@fault(
    "producer",
    "connections are cut and Redis is killed (SIGKILL) and restarted, again and again, while eight producers push",
    "no push fails; each event is in the list once, in order",
    keeps=(1, 2, 3),
)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "restarts", [2, pytest.param(int(os.environ.get("TEST_RESTARTS", "10")), marks=pytest.mark.long)]
)
async def test_no_push_fails_and_none_is_executed_twice(own_redis: Callable[..., EmbeddedRedis], restarts: int) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = own_redis(port=free_port(), appendonly=True, arguments=["--appendfsync", "always"])
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(port_of(server.url)))
        storm = Storm(server, proxy, chance)
        # Half of them connect to Redis itself, where a connection is refused while it is down.
        producers = [
            await stack.enter_async_context(kind(url)) for kind in KINDS for url in (proxy.url, server.url) * 2
        ]
        pushing = [
            asyncio.create_task(keep_pushing(producer, f"u{n}", storm, random.Random(seed + n)))
            for n, producer in enumerate(producers)
        ]
        await storm.blow(restarts, pushing)
        ended = await asyncio.gather(*pushing, return_exceptions=True)
    print(
        f"{restarts * CUTS_PER_RESTART} cuts, {restarts} restarts, away for at most {max(storm.outages):.1f} s: {ended}"
    )
    async with connected(server) as redis:
        found: dict[str, list[int]] = {}
        for element in await redis.lrange("events", 0, -1):
            members = json.loads(element)
            found.setdefault(members["user_id"], []).append(members["n"])
    if max(storm.outages) > LONGEST_OUTAGE and any(isinstance(each, BaseException) for each in ended):
        pytest.skip("this machine needs too long to start a Redis")
    assert found == {f"u{n}": list(range(count)) for n, count in enumerate(ended) if isinstance(count, int)}
    assert len(found) == len(producers), ended
