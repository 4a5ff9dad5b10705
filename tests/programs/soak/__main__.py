"""The soak: pushes all along, disturbs at random, waits for quiet, and ends with the checker's verdict."""

import argparse
import asyncio
import gc
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Simulator
from tests.programs.soak.chaos import Chaos
from tests.programs.soak.report import Report
from tests.support.promises import History, check, observed
from tests.support.servers.proxy import Proxy
from tests.support.service import KEY, command, environment, event, port_of, settings, settled

_QUEUE = "soak"
_USERS = 500
#: Seconds after which a worker gives a POST up.
_TIMEOUT = 1.0
#: One event in so many is such as the API refuses, and as many are no events.
_BAD = 400


@dataclass
class Producer:
    """Pushes at a steady rate, straight to Redis, and knows of which pushes it had no answer."""

    url: str
    dice: random.Random
    rate: float
    pushed: list[bytes] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    uncertain: set[int] = field(default_factory=set)

    async def run(self, seconds: float) -> None:
        """Pushes for so long."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            more = int(passed * self.rate) - len(self.pushed)
            if more > 0:
                await self._push([self._event(len(self.pushed) + n) for n in range(more)])
            await asyncio.sleep(0.05)

    def _event(self, number: int) -> bytes:
        user = f"u{min(self.dice.randrange(_USERS), self.dice.randrange(_USERS))}"
        match self.dice.randrange(_BAD):
            case 0:
                self.bad[number] = "rejected"
                return event(user, number, bad=1)
            case 1:
                self.bad[number] = "invalid"
                return event(user, number, date="yesterday")
        return event(user, number)

    async def _push(self, events: list[bytes]) -> None:
        first = len(self.pushed)
        self.pushed += events
        try:
            # A connection of its own, never retried: what has no answer may have been pushed.
            async with Redis.from_url(self.url, retry=None, socket_timeout=5) as redis:
                await redis.rpush(_QUEUE, *events)
        except (RedisError, OSError):
            self.uncertain |= set(range(first, len(self.pushed)))


async def soak(minutes: float, seed: int, rate: float, folder: Path) -> Report:
    """Runs it all and judges it."""
    dice = random.Random(seed)
    server = EmbeddedRedis(port=None, appendonly=True, arguments=["--appendfsync", "always"])
    with server:
        async with Simulator(KEY) as api, Proxy(port_of(server.url)) as proxy:
            given = settings(
                proxy.url, _QUEUE, api, lease_ttl=3.0, request_timeout=_TIMEOUT, max_events_per_post=20, retry_max=1.0
            )
            chaos = Chaos(dice, server, proxy, api, given, folder)
            chaos.calm()
            producer = Producer(server.url, random.Random(seed + 1), rate)
            chaos.start_worker()
            chaos.start_worker()
            begun = time.monotonic()
            try:
                await asyncio.gather(chaos.run(minutes * 60), producer.run(minutes * 60))
                quiet = time.monotonic()
                async with Redis.from_url(server.url) as redis:
                    await settled(redis, _QUEUE, within=120)
                    drained = time.monotonic()
                    history = await _history(redis, chaos, producer)
                chaos.note_memory()
                audit, said, _ = await command("audit", environment=environment(given))
            finally:
                for worker in chaos.workers:
                    worker.kill()
    verdict = check(history)
    return Report(
        seed=seed,
        seconds=quiet - begun,
        drained_after=drained - quiet,
        pushed=len(producer.pushed),
        uncertain=len(producer.uncertain),
        posts=api.ledger.accepted_posts,
        letters=dict(Counter(reason for _, reason in history.letters)),
        disturbances=chaos.done,
        accepted_at=[post.at for post in history.posts],
        explained=verdict.explained,
        faults=verdict.faults,
        audit="" if audit == 0 else said,
        peak_rss=chaos.peak_rss,
    )


async def _history(redis: Redis, chaos: Chaos, producer: Producer) -> History:
    """An acceptance may be unsettled while its worker was killed or frozen, and while Redis was out of reach."""
    return await observed(
        producer.pushed,
        chaos.api,
        redis,
        _QUEUE,
        bad=producer.bad,
        uncertain=producer.uncertain,
        unsettled=[(each.since, each.until) for each in chaos.done if not each.kind.startswith("api")],
        in_time=_TIMEOUT / 2,  # counted from when the POST arrived, and on a busy machine that is late
    )


def main() -> int:
    """Prints the report; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--rate", type=float, default=500.0, help="events pushed a second")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    console = Console()
    console.print(f"soaking for {asked.minutes:g} minutes; again with: --seed {asked.seed}")
    folder = Path(tempfile.mkdtemp(prefix="forwarder-soak-"))
    # The stand-in is in this process and keeps every POST: a collection of half a million of them holds it up for so
    # long that it answers whoever has given up, and takes that for an answer.
    gc.disable()
    report = asyncio.run(soak(asked.minutes, asked.seed, asked.rate, folder))
    report.print(console)
    if asked.json:
        asked.json.write_text(json.dumps(report.figures(), indent=1) + "\n")
    if not report.good:
        console.print(f"the workers' logs: {folder}", style="red")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
