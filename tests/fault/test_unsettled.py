"""What was accepted and not yet settled when a worker is killed at 120 POSTs/s: what a kill sends twice."""

import asyncio
import json
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.simulator import Faults, Simulator
from forwarder.simulator.ledger import Accepted
from tests.support.faults import fault
from tests.support.service import WorkerProcess, event, eventually, settings, settled

MOMENTS = 32
#: POSTs at once. With 20 ms each, 120 a second are just possible.
AT_ONCE = 3
LATENCY = 0.02
#: Seconds before a kill within which an accepted event may be unsettled.
RECENT = 0.015


class Heart:
    """Asks Redis something every millisecond, on the loop of the stand-in. It shows how long either was paused."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._beats: list[float] = []

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        over = asyncio.Event()

        async def beat() -> None:
            while not over.is_set():  # a cancellation may be swallowed by the client of Redis
                await self._redis.ping()
                self._beats.append(time.monotonic())
                await asyncio.sleep(0.001)

        task = asyncio.create_task(beat())
        yield
        over.set()
        await task

    def longest_pause(self, since: float, until: float) -> float:
        """The longest time without a beat."""
        beats = [since, *(at for at in self._beats if since < at < until), until]
        return max(after - before for before, after in pairwise(beats))


async def numbers_claimed(redis: Redis, queue: str) -> set[int]:
    await redis.ping()  # Redis has now executed what the worker had sent
    await redis.ping()
    return {json.loads(element)["n"] for element in await redis.hvals(Keys(queue).claimed)}


def numbers(post: Accepted) -> list[int]:
    return [json.loads(bytes(each))["n"] for each in post.events]


def known(api: Simulator, *, until: float) -> dict[int, float]:
    """The accepted events of which the worker had the answer, by their numbers, and since when at the latest.

    A POST starts only if fewer than three are unanswered. So when POST 10 arrived, the worker had read seven answers.
    """
    arrivals = [request.at for request in api.ledger.requests if request.at < until]
    answered = sorted((post for post in api.ledger.accepted if when(post) < until), key=when)
    return {n: at for post, at in zip(answered, arrivals[AT_ONCE:], strict=False) for n in numbers(post)}


def when(post: Accepted) -> float:
    """When a POST was answered."""
    return (post.request and post.request.answered) or math.inf


@fault(
    "process",
    "killed (SIGKILL) at 120 POSTs/s",
    "what is sent again was in flight, or accepted in the last 15 ms",
    keeps=(1, 3),
)
async def test_at_a_kill_only_what_was_accepted_in_the_last_15_ms_is_unsettled(
    redis_url: str,
    redis_client: Redis,
    queue_name: str,
    api: Simulator,
    worker: Callable[[Settings], WorkerProcess],
) -> None:
    """A worker that is frozen leaves in Redis what a killed one leaves, so one worker shows many moments.

    The machine may pause the worker. So an event counts as too old only if the worker has started a POST 15 ms after it
    had the event's answer, and the bound grows by the longest pause of Redis and the stand-in. A few moments may be bad
    nevertheless. If outcomes wait 50 ms for others, at least every fourth moment is.
    """
    dice = random.Random(seed := random.randrange(2**32))
    api.faults = Faults(latency=LATENCY)
    given = settings(
        redis_url, queue_name, api, rate_limit=120, concurrency=AT_ONCE, lease_ttl=30.0, max_buffered_events=100
    )
    await redis_client.rpush(queue_name, *(event(f"u{n}", n) for n in range(3_000)))
    owner, heart = worker(given), Heart(redis_client)
    bad: list[float] = []
    async with heart.beating():
        await eventually(lambda: api.ledger.accepted_events > 60)
        for moment in range(MOMENTS):
            await asyncio.sleep(dice.uniform(0.03, 0.09))
            at = time.monotonic()
            if moment == MOMENTS - 1:
                owner.kill()
            else:
                os.kill(owner.process.pid, signal.SIGSTOP)
            claimed = await numbers_claimed(redis_client, queue_name)
            ran = max(request.at for request in api.ledger.requests if request.at < at)
            oldest = max((ran - since for n, since in known(api, until=at).items() if n in claimed), default=0.0)
            bad += [oldest] if oldest > RECENT + heart.longest_pause(at - 0.06, at) else []
            if moment < MOMENTS - 1:
                os.kill(owner.process.pid, signal.SIGCONT)
    print(f"seed {seed}; accepted longer ago, and unsettled: {bad}")
    assert len(bad) <= MOMENTS / 8

    # What nobody has claimed is not needed any more. The lease and the worker's entry need not expire first.
    await redis_client.delete(queue_name, Keys(queue_name).lease, QueueKeys(queue_name).workers)
    api.faults = Faults()
    worker(given.model_copy(update={"rate_limit": 0.0, "concurrency": 32}))
    await settled(redis_client, queue_name)
    counts = Counter(n for post in api.ledger.accepted for n in numbers(post))
    doubles = {n for n, count in counts.items() if count > 1}
    assert max(counts.values()) <= 2
    assert doubles <= claimed
    assert claimed <= counts.keys()
