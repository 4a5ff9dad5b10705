"""SIGKILL at random moments under load. The variable TEST_KILLS sets how many; a dozen by default."""

import os
import random
import statistics
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.service import WorkerProcess, event, eventually, settings, settled

#: Seconds after which a worker gives a POST up.
TIMEOUT = 1.0
KILLS = int(os.environ.get("TEST_KILLS", "12"))


@pytest.mark.long
@pytest.mark.timeout(60 + KILLS * 10)
@fault("process", "killed (SIGKILL) at random moments under load", "a standby adopts what was claimed", keeps=(1, 2, 3))
async def test_sigkill_at_random_moments_loses_nothing_and_explains_every_double(
    redis_url: str,
    redis_client: Redis,
    queue_name: str,
    api: Simulator,
    worker: Callable[[Settings], WorkerProcess],
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    api.faults = Faults(latency=0.01, latency_jitter=0.02)
    given = settings(
        redis_url, queue_name, api, max_events_per_post=10, concurrency=16, lease_ttl=2.5, request_timeout=TIMEOUT
    )
    pushed: list[bytes] = []
    kills: list[float] = []
    doubles: list[int] = []
    owner, standby = worker(given), worker(given)
    await standby.admin()
    for _ in range(KILLS):
        more = [event(f"u{dice.randrange(300)}", n) for n in range(len(pushed), len(pushed) + 3_000)]
        pushed += more
        await redis_client.rpush(queue_name, *more)
        before = api.ledger.accepted_events
        some = before + dice.randrange(1, 2_000)

        def enough(some: int = some) -> bool:
            return api.ledger.accepted_events >= some

        await eventually(enough)
        owner.kill()
        kills.append(time.monotonic())
        owner, standby = standby, worker(given)
        known = len(api.ledger.accepted)
        await settled(redis_client, queue_name, within=60)
        seen = {n for post in api.ledger.accepted[:known] for n in _numbers(post.events)}
        doubles.append(sum(n in seen for post in api.ledger.accepted[known:] for n in _numbers(post.events)))
    verdict = check(await observed(pushed, api, redis_client, queue_name, disturbances=kills, in_time=TIMEOUT / 2))
    print(f"{KILLS} kills, {len(pushed)} events; doubles a kill: median {statistics.median(doubles)}, {max(doubles)=}")
    assert verdict.faults == {}
    # What was in flight, or accepted in the last 15 ms and not settled: at most a few rounds of POSTs.
    assert max(doubles) <= 16 * 10 + 1_000


def _numbers(events: tuple[object, ...]) -> list[bytes]:
    return [bytes(event) for event in events]  # type: ignore[call-overload]
