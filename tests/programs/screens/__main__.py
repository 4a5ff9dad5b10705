"""Takes the pictures of the status page that stand beside this file: `python -m tests.programs.screens`.

It starts a Redis, the stand-in API and the service, sends a shop's purchases through them for 15 minutes, among them
some that are refused and some trouble with the API, and takes the pictures with the Chromium that it finds. They look
as they should with Debian's packages chromium and fonts-inter, and are small with pngquant.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.logs import setup as logs
from forwarder.simulator import Faults, RandomAnswer, Refusal, Simulator
from tests.programs.screens.camera import DESK, NIGHT, PHONE, TOKEN, camera
from tests.support.incidents.nights import NIGHTS
from tests.support.incidents.scene import happen
from tests.support.servers.browser import chromium
from tests.support.service import KEY, Running, event, eventually, purchases, running, settings

QUEUE = "events"


def of_the_best_customers(count: int) -> list[bytes]:
    """The purchases of those who buy most often, so that many events are one user's."""
    events = purchases(20_000)
    users = [json.loads(element)["user_id"] for element in events]
    best = {user for user, _ in Counter(users).most_common(count)}
    return [element for user, element in zip(users, events, strict=True) if user in best]


async def traffic(redis_url: str, api: Simulator, minutes: float) -> None:
    """Pushes in waves for so long; half way the API has a minute of trouble."""
    dice = random.Random(1)
    events = of_the_best_customers(300)
    begun = time.monotonic()
    async with Redis.from_url(redis_url) as redis:
        while (part := (time.monotonic() - begun) / (60 * minutes)) < 1:
            troubled = 0.5 < part < 0.58
            api.faults = Faults(
                latency=0.08,
                refuse=[Refusal(name="refused")],
                statuses=[RandomAnswer(status=503, rate=0.6 if troubled else 0.004)],
            )
            batch = dice.choices(events, k=int(420 + 260 * math.sin(part * 14) + dice.uniform(0, 80)))
            if dice.random() < 0.03:
                batch.append(event(f"u-{dice.randrange(999)}", 1, name="refused"))
            if dice.random() < 0.02:
                batch.append(b'{"user_id":"u-7","nme":"purchase"}')
            await redis.rpush(QUEUE, *batch)
            await asyncio.sleep(1)


async def pictures(minutes: float) -> None:
    """All of the page, in one run."""
    with EmbeddedRedis(port=None) as server:
        async with Simulator(KEY, keep_requests=False) as api, camera() as taking:
            given = settings(
                *(server.url, QUEUE, api), rate_limit=120, concurrency=64, linger=0.25, retry_max=1.0, admin_token=TOKEN
            )
            async with running(given) as service:
                # The pictures are of a service at work.
                going_on = asyncio.create_task(traffic(server.url, api, minutes + 2))
                await asyncio.sleep(60 * minutes)
                await taking.picture(service.url, "desk-light")
                await taking.picture(service.url, "desk-dark", DESK, "dark", unlocked=True)
                await taking.picture(service.url, "phone", PHONE)
                going_on.cancel()
                api.api_key = "another"
                await traffic(server.url, api, 0.2)
                await eventually(lambda: halted(service))
                await taking.picture(service.url, "halted", unlocked=True)


async def nights() -> None:
    """What an operator sees in each of the nights of tests/support/incidents/nights.py, just after the alert."""
    with TemporaryDirectory() as scratch, EmbeddedRedis(port=None) as server:
        async with camera() as taking:

            async def look(name: str, url: str) -> None:
                await taking.picture(url, f"night-{name}", NIGHT, whole=False)

            await happen(Path(scratch), {name: (server.url, night) for name, night in NIGHTS.items()}, look)


async def halted(service: Running) -> bool:
    """Whether it is."""
    return (await service.get("/readyz"))[0] == 503


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.screens", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, default=15, help="How long to send; 15 minutes fill the charts.")
    parser.add_argument("--nights", action="store_true", help="Instead, those of three nights with an alert.")
    asked = parser.parse_args()
    if chromium() is None:
        sys.exit("no Chromium was found on PATH")
    logs.configure("console", "error", sys.stderr)
    asyncio.run(nights() if asked.nights else pictures(asked.minutes))


main()
