"""What it costs that a push can be repeated: CPU in Redis and round trips for each push, and memory for each marker."""

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from rich.console import Console
from rich.table import Table

from forwarder import SyncProducer
from forwarder.demo.redis_server import EmbeddedRedis, find_server, version_of
from tests.programs.bench.findings import Finding

#: Events in a push, and pushes in one measurement.
SIZES = {1: 2_000, 100: 300}
ROUNDS = 7
MARKERS = 100_000
PLAIN, AUTOMATIC, OWN = "without a key", "with a random key", "with a key of its own"
#: As long as a row of a table that is sent again would have.
KEY = "order-%07d-paid"
EVENT = {"user_id": "u-1017", "name": "purchase", "date": "2016-09-11T18:04:23Z", "vars": {"cds": 2, "value": 25.54}}


@dataclass(frozen=True)
class Cost:
    """The medians of one kind of push. CPU is microseconds in Redis alone; `aof` is bytes in its append-only file."""

    kind: str
    events: int
    cpu: float
    round_trips: float
    aof: float
    times_plain: float


def measure(rounds: int = ROUNDS, scale: float = 1.0) -> list[Cost]:
    """Pushes in turns without and with keys, to a Redis with an append-only file."""
    with EmbeddedRedis(port=None, appendonly=True) as server, Redis.from_url(server.url) as redis:
        return [
            cost for size, pushes in SIZES.items() for cost in _of_size(server.url, redis, size, rounds, scale * pushes)
        ]


def _of_size(url: str, redis: Redis, size: int, rounds: int, pushes: float) -> Iterator[Cost]:
    runs: dict[str, list[tuple[float, float, float]]] = {PLAIN: [], AUTOMATIC: [], OWN: []}
    for _ in range(rounds):
        for kind, found in runs.items():
            found.append(_run(url, redis, kind, size, max(1, round(pushes))))
    plain = [cpu for cpu, _, _ in runs[PLAIN]]
    for kind, found in runs.items():
        cpu, trips, aof = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = [each / least for (each, _, _), least in zip(found, plain, strict=True)]
        yield Cost(kind, size, cpu, trips, aof, statistics.median(ratios))


def _run(url: str, redis: Redis, kind: str, size: int, pushes: int) -> tuple[float, float, float]:
    redis.flushall()
    events = [EVENT] * size
    with SyncProducer(url, retry_for=0 if kind == PLAIN else 5) as producer:
        producer.push_many(events)  # it asks for the number of lists, and sends the script
        before = _counters(redis)
        for number in range(pushes):
            producer.push_many(events, idempotency_key=KEY % number if kind == OWN else None)
        after = _counters(redis)
    cpu, trips, aof = ((end - begin) / pushes for begin, end in zip(before, after, strict=True))
    return cpu * 1e6, trips, aof


def _counters(redis: Redis) -> tuple[float, float, float]:
    found: dict[str, Any] = redis.info()
    return (
        found["used_cpu_user"] + found["used_cpu_sys"],
        found["total_reads_processed"],
        found["aof_current_size"],
    )


def bytes_of_a_marker(markers: int = MARKERS) -> dict[str, float]:
    """Bytes of Redis' memory for one marker, its part of Redis' tables included."""
    with EmbeddedRedis(port=None) as server, Redis.from_url(server.url) as redis:
        return {
            "with a random key, of 16 bytes": _memory(redis, "%016d", markers),
            f"with a key of its own, of {len(KEY % 0)} bytes": _memory(redis, KEY, markers),
        }


def _memory(redis: Redis, key: str, markers: int) -> float:
    redis.flushall()
    before = redis.info("memory")["used_memory"]
    with redis.pipeline(transaction=False) as pipeline:
        for number in range(markers):
            pipeline.set("{events}:pushed:" + key % number, 9_223_372_034_000_000_001, px=86_400_000)
        pipeline.execute()
    return float(redis.info("memory")["used_memory"] - before) / markers


def findings(costs: Sequence[Cost]) -> Iterator[Finding]:
    """For the page of the benchmark: what a push costs Redis without a key, and with the one that it gets by itself."""
    for cost in costs:
        if cost.kind != OWN:
            events = "1 event" if cost.events == 1 else f"{cost.events} events"
            yield Finding(f"Redis' CPU for a push of {events}, {cost.kind}", cost.cpu, "{:.1f} µs")
    trips = [cost.round_trips for cost in costs if cost.kind == AUTOMATIC]
    yield Finding(f"round trips for a push {AUTOMATIC}", max(trips))


def _table(costs: Sequence[Cost]) -> Table:
    table = Table("events in a push", "", box=None, pad_edge=False, header_style="bold")
    for column in ("CPU in Redis", "÷ plain", "round trips", "append-only file"):
        table.add_column(column, justify="right")
    for cost in costs:
        cells = f"{cost.cpu:.1f} µs", f"{cost.times_plain:.2f}", f"{cost.round_trips:.2f}", f"{cost.aof:,.0f} bytes"
        table.add_row(str(cost.events), cost.kind, *cells, end_section=cost.kind == OWN)
    return table


def main() -> None:
    """What it costs that a push can be repeated, per push: medians of runs that take turns."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.push_cost", description=main.__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    console = Console()
    costs, markers = measure(), bytes_of_a_marker()
    console.print(f"{main.__doc__} {version_of(find_server())}, {ROUNDS} runs of each.\n")
    console.print(_table(costs))
    console.print("\nA push without a key is a plain RPUSH. Round trips include a question once a second.")
    for what, size in markers.items():
        console.print(f"A marker {what}: {size:.0f} bytes of memory (mean of {MARKERS:,}).")
    if chosen.json:
        chosen.json.write_text(json.dumps({"costs": [asdict(cost) for cost in costs], "markers": markers}, indent=1))


if __name__ == "__main__":
    main()
