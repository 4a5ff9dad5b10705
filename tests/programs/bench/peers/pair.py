"""The forwarder with two lists and two workers, for a machine of two cores. Together they send 64 POSTs at once."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from redis import Redis

from forwarder.queue.keys import Keys
from forwarder.queue.sharding import shard_of
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.pair_worker import READY, WORKERS
from tests.programs.bench.peers.peer import AT_ONCE, HELD, Run

#: Elements in one RPUSH.
_PAGE = 5_000


class Pair(ForwarderPeer):
    """See the module."""

    name = "pair"
    title = "forwarder, 2 lists and 2 workers"
    ready = READY
    only = "strangers"

    def load(self, run: Run) -> None:
        lists: list[list[bytes]] = [[] for _ in range(WORKERS)]
        for user, element in zip(run.work.users, run.work.elements, strict=True):
            lists[shard_of(user, WORKERS)].append(element)
        with Redis.from_url(run.redis_url) as redis:
            for number, elements in enumerate(lists):
                for start in range(0, len(elements), _PAGE):
                    redis.rpush(f"{HELD}:{number}", *elements[start : start + _PAGE])

    def command(self, run: Run) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.programs.bench.peers.pair_worker"]

    def environment(self, run: Run) -> dict[str, str]:
        shared = {"FORWARDER_SHARDS": str(WORKERS), "FORWARDER_CONCURRENCY": str(AT_ONCE // WORKERS)}
        return {**super().environment(run), **shared}

    def release(self, run: Run, process: subprocess.Popen[bytes]) -> None:
        with Redis.from_url(run.redis_url) as redis:
            for number in range(WORKERS):
                redis.rename(f"{HELD}:{number}", Keys("events", number, of=WORKERS).list)
