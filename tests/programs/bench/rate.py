"""How much of `RATE_LIMIT` is used while events wait, each of another user, and how many POSTs the worst second has.

A single worker on a quiet machine and beside two busy loops, and a fleet of four in which one list is busy.
The share is of POSTs that arrived. The worst second is of POSTs that started: on a busy machine they arrive in clumps.
"""

import argparse
import asyncio
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from forwarder.queue.sharding import shard_of
from tests.programs.bench.findings import Finding, print_findings
from tests.programs.bench.fleet import await_fair
from tests.programs.bench.machine import busy_loops
from tests.programs.bench.measure import prepare, started
from tests.programs.bench.peers.noted import Noted, starts
from tests.programs.bench.peers.peer import Run
from tests.programs.bench.sink import Sink
from tests.programs.bench.store import one_redis
from tests.programs.bench.work import Work, numbered

LIMIT = 120
SECONDS = 20.0
#: Seconds of sending that are not measured: in a fleet, the limit has gone to the worker with events by then.
_BEFORE = 6.0


@dataclass(frozen=True)
class Case:
    """Who sends, beside how many busy loops, and the least share of the limit that they should use."""

    name: str
    workers: int
    busy: int
    least: float


CASES = (
    Case("one worker, quiet machine", workers=1, busy=0, least=99.0),
    Case("one worker beside two busy loops", workers=1, busy=2, least=99.0),
    Case("four workers, one list busy", workers=4, busy=0, least=95.0),
)


@dataclass(frozen=True)
class Sent:
    """When POSTs started and arrived, sorted, each by a clock of its own."""

    started: Sequence[float]
    arrived: Sequence[float]


def backlog(events: int, lists: int) -> Work:
    """Every event is another user's, and all of them belong to the first list."""
    users = (user for user in (f"u{n}" for n in count()) if shard_of(user, lists) == 0)
    return Work("one-list", f"{events:,} events, each another user", numbered(islice(users, events)))


def share(times: Sequence[float], begin: float, seconds: float) -> float:
    """Percent of the limit that these POSTs used in `seconds` from `begin`. The times are sorted."""
    sent = bisect_left(times, begin + seconds) - bisect_left(times, begin)
    return 100 * sent / (LIMIT * seconds)


def worst_second(times: Sequence[float]) -> int:
    """The most POSTs in any second. The times are sorted."""
    return max((bisect_left(times, at + 1.0) - number for number, at in enumerate(times)), default=0)


def _sent(case: Case, seconds: float, folder: Path) -> Sent:
    folder.mkdir()
    peer, work = Noted(case.workers), backlog(round(LIMIT * (_BEFORE + seconds + 2)), case.workers)
    with one_redis() as store, Sink(folder, hasty=True) as sink, ExitStack() as stack:
        runs = [Run(work, LIMIT, store.url, sink.url, folder / f"{number}") for number in range(case.workers)]
        for run in runs:
            run.folder.mkdir()
        prepare(peer, runs[0])
        fleet = [stack.enter_context(started(peer, run)) for run in runs]
        asyncio.run(await_fair(store.url, case.workers, lists=case.workers))
        stack.enter_context(busy_loops(case.busy))
        peer.release(runs[0], fleet[0])
        time.sleep(_BEFORE + seconds + 0.5)
        sink.look()
    started_at = [float(line) for run in runs for line in starts(run).read_text().splitlines()]
    return Sent(sorted(started_at), sorted(sink.times))


def _found(case: Case, sent: Sent, seconds: float) -> Iterator[Finding]:
    used = share(sent.arrived, sent.arrived[0] + _BEFORE, seconds)
    yield Finding(f"rate used: {case.name}", used, "{:.2f} %", least=case.least)
    most = LIMIT + case.workers
    yield Finding(f"POSTs in the worst second: {case.name}", worst_second(sent.started), "{:.0f}", most=most)


def measure(scratch: Path, seconds: float = SECONDS) -> list[Finding]:
    """Two findings for each case."""
    return [
        finding
        for number, case in enumerate(CASES)
        for finding in _found(case, _sent(case, seconds, scratch / f"rate-{number}"), seconds)
    ]


def main() -> None:
    """Prints them."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.rate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    with tempfile.TemporaryDirectory(prefix="forwarder-rate-") as scratch:
        print_findings(measure(Path(scratch), parser.parse_args().seconds))


if __name__ == "__main__":
    main()
