"""From the push of one event to its 202, when there is nothing else to do."""

import http.client
import statistics
import time
from pathlib import Path

from redis import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.bench.measure import started
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import Run
from tests.programs.bench.report import Idle
from tests.programs.bench.sink import Sink
from tests.programs.bench.work import strangers

_TIMES = 200


class _Unhurried(ForwarderPeer):
    def environment(self, run: Run) -> dict[str, str]:
        return {**super().environment(run), "FORWARDER_LINGER": "0"}


def measure_idle(folder: Path) -> Idle:
    """One event after the other, each pushed when the one before has arrived."""
    folder.mkdir(parents=True)
    peer, work = _Unhurried(), strangers(_TIMES)
    with EmbeddedRedis(port=None) as server, Sink(folder, hasty=True) as sink:
        run = Run(work, 0, server.url, sink.url, folder)
        bare = [_posted(sink, *post) for post in work.posts]
        with started(peer, run), Redis.from_url(server.url) as redis:
            pushed = [_pushed(redis, sink, element) for element in work.elements]
    return Idle(sink=statistics.median(bare), forwarder=statistics.median(pushed))


def _posted(sink: Sink, user: str, body: bytes) -> float:
    connection = http.client.HTTPConnection(sink.url.removeprefix("http://"))
    connection.connect()
    begun = time.perf_counter()
    connection.request("POST", f"/v6/users/{user}/events", body)
    connection.getresponse().read()
    took = time.perf_counter() - begun
    connection.close()
    return took * 1e3


def _pushed(redis: "Redis", sink: Sink, element: bytes) -> float:
    """Milliseconds; nginx writes each POST down at once, so looking without a pause costs no more than that."""
    sink.look()
    before, begun = sink.posts, time.perf_counter()
    redis.rpush("events", element)
    while sink.posts == before:
        sink.look()
        if time.perf_counter() - begun > 10:
            raise TimeoutError("the event did not arrive")
    return (time.perf_counter() - begun) * 1e3
