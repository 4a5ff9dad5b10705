"""What a SIGKILL sends twice: what was in flight, and what was accepted and not yet settled.

A worker sends events at 120 POSTs/s to an API that answers after 50 ms, is killed at a random moment, and is started
again. Every event is another user's, so there is one in each POST. In the end every event has arrived, and those that
arrived twice are counted.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.simulator import Faults, Simulator
from forwarder.simulator.ledger import Accepted
from tests.programs.bench.findings import Finding, print_findings
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import KEY, Run
from tests.programs.bench.work import Work, strangers
from tests.support.service import WorkerProcess, eventually

KILLS = 10
_RATE = 120
#: Seconds.
_LATENCY = 0.05
#: Seconds before a kill within which an accepted event may be unsettled.
_RECENT = 0.015
#: Events for each kill, of which about half are sent until then.
_EVENTS = 300
_QUEUE = "events"


@dataclass(frozen=True)
class Kill:
    """How many events were where when the worker was killed."""

    in_flight: int
    unsettled: int
    #: Of those unsettled.
    accepted_long_ago: int


def _numbers(post: Accepted) -> set[int]:
    return {json.loads(bytes(event))["n"] for event in post.events}


def _answered(post: Accepted) -> bool:
    return post.request is not None and post.request.status is not None


class _Bench:
    def __init__(self, work: Work, redis: "Redis", api: Simulator, url: str, folder: Path) -> None:
        self._work, self._redis, self._api, self._url, self._folder = work, redis, api, url, folder
        self._dice = random.Random(1)

    def _worker(self, rate: int) -> WorkerProcess:
        run = Run(self._work, rate, self._url, self._api.url, self._folder)
        return WorkerProcess(ForwarderPeer().environment(run), self._folder / "worker.log")

    async def kill(self) -> Kill:
        """Of one life of a worker."""
        ledger = self._api.ledger
        before, worker = ledger.accepted_posts, self._worker(_RATE)
        await eventually(lambda: ledger.accepted_posts > before + _RATE // 2, within=30, what="the worker sends")
        await asyncio.sleep(self._dice.uniform(0.0, 0.5))
        at = time.monotonic()
        worker.kill()
        posts = ledger.accepted[before:]
        claimed = {json.loads(element)["n"] for element in await self._redis.hvals(Keys(_QUEUE).claimed)}
        # The next worker need not wait until the lease of this one and its entry expire.
        await self._redis.delete(Keys(_QUEUE).lease, QueueKeys(_QUEUE).workers)
        return _kill(posts, claimed, at)

    async def finish(self) -> int:
        """Sends the rest. Returns how many events arrived twice."""
        ledger, worker = self._api.ledger, self._worker(0)
        self._api.faults = Faults()

        def arrived() -> Counter[int]:
            return Counter(number for post in ledger.accepted for number in _numbers(post))

        await eventually(lambda: ledger.accepted_events >= len(self._work.events), within=60, what="all is sent")
        await eventually(lambda: len(arrived()) == len(self._work.events), within=60, what="every event arrives")
        worker.kill()
        return arrived().total() - len(self._work.events)


def _kill(posts: Sequence[Accepted], claimed: set[int], at: float) -> Kill:
    unsettled = [(post, _numbers(post) & claimed) for post in posts if _answered(post)]
    old = [numbers for post, numbers in unsettled if post.request and post.request.at + _LATENCY < at - _RECENT]
    return Kill(
        in_flight=sum(len(post.events) for post in posts if not _answered(post)),
        unsettled=sum(len(numbers) for _, numbers in unsettled),
        accepted_long_ago=sum(len(numbers) for numbers in old),
    )


async def _killed(kills: int, folder: Path) -> tuple[list[Kill], int]:
    folder.mkdir()
    work = strangers(_EVENTS * kills)
    with EmbeddedRedis(port=None) as server:
        async with Simulator(KEY, faults=Faults(latency=_LATENCY)) as api, Redis.from_url(server.url) as redis:
            await redis.rpush(_QUEUE, *work.elements)
            bench = _Bench(work, redis, api, server.url, folder)
            found = [await bench.kill() for _ in range(kills)]
            return found, await bench.finish()


def _findings(kills: Sequence[Kill], twice: int) -> Iterator[Finding]:
    form, where = "{:.1f}", f"of {len(kills)} at {_RATE} POSTs/s with an event each"
    yield Finding(f"in flight at a kill, mean {where}", mean(kill.in_flight for kill in kills), form)
    yield Finding("accepted and not settled at a kill", mean(kill.unsettled for kill in kills), form)
    yield Finding("sent twice after a kill", twice / len(kills), form)
    long_ago = sum(kill.accepted_long_ago for kill in kills)
    yield Finding("accepted more than 15 ms before a kill and not settled, sum", long_ago, "{:.0f}", most=0)


def measure(scratch: Path, kills: int = KILLS) -> list[Finding]:
    """What was where at a kill, and what was sent twice."""
    return list(_findings(*asyncio.run(_killed(kills, scratch / "duplicates"))))


def main() -> None:
    """Prints it."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.duplicates", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    with tempfile.TemporaryDirectory(prefix="forwarder-duplicates-") as scratch:
        print_findings(measure(Path(scratch), parser.parse_args().kills))


if __name__ == "__main__":
    main()
