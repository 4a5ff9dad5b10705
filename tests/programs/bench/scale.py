"""Measures fleets of 1, 2 and 4 workers over 4 lists, in one Redis and in a Redis Cluster, and what follows from it.

A backlog of unequal users, spread by the shard of the user, is drained without a limit. Then, as many events for each
worker, at a rate of each worker's. What counts on a small machine is CPU per event, and whether that stays flat.
It needs nginx, as the other benchmark does, and about six minutes; --quick, a smoke test, two.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from rich.console import Console

from tests.programs.bench import machine
from tests.programs.bench.fleet import SHARDS, Case, FleetRun, measure_fleet, push_us
from tests.programs.bench.measure import FailedError
from tests.programs.bench.scale_report import Backlog, ScaleReport
from tests.programs.bench.sink import NginxMissingError, find_nginx
from tests.programs.bench.store import STORES
from tests.programs.bench.work import Work, zipf
from tests.support.documents import written

_EVENTS, _USERS = 300_000, 10_000
_QUICK = 20
#: Events that are pushed to measure what that costs, by how many at once.
_PUSHED = {1: 20_000, 100: 200_000}


def _work(case: Case, smaller: int) -> Work:
    """Without a limit the same for every fleet; at a rate as much for each worker."""
    part = case.workers / SHARDS if case.rate else 1
    return zipf(int(_EVENTS * part) // smaller, int(_USERS * part) // smaller)


def _runs(asked: argparse.Namespace, smaller: int, console: Console, folder: Path) -> Iterator[FleetRun]:
    """Turn by turn, so that whatever else the machine does meanwhile meets all of them alike."""
    for turn, name in product(range(asked.repeats), asked.stores):
        with STORES[name]() as store:
            for workers, rate in product(asked.workers, asked.rates):
                case = Case(store=name, workers=workers, rate=rate, turn=turn)
                found = measure_fleet(store, case, _work(case, smaller), folder / f"{turn}-{workers}-{rate}")
                store.empty()
                limit = f"{rate:,} POSTs/s each" if rate else "unlimited"
                told = f"{found.events / found.seconds:,.0f} events/s, {found.cpu_us:.1f} µs CPU each"
                console.print(f"{turn + 1} {name}, workers: {workers}, {limit}: {told}", style="dim", highlight=False)
                yield found


def _backlog(work: Work) -> Backlog:
    count = len(work.events)
    elements = sum(map(len, work.elements)) / count
    return Backlog(work.title, len(work.posts) / count, work.payload / count, elements)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.scale", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=list(STORES), default=list(STORES))
    parser.add_argument("--workers", nargs="+", type=int, choices=range(1, SHARDS + 1), default=[1, 2, 4])
    parser.add_argument(
        "--rates", nargs="+", type=int, default=[0, 500], help="POSTs a second of each worker; 0 is no limit"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help=f"everything {_QUICK} times smaller: a smoke test")
    parser.add_argument("--tell", type=Path, metavar="FILE", help="of what --json wrote, instead of measuring")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the page of figures into this document")
    return parser


def _measured(asked: argparse.Namespace, console: Console) -> ScaleReport:
    """Raises NginxMissingError or FailedError."""
    find_nginx()
    smaller = _QUICK if asked.quick else 1
    work = zipf(_EVENTS // smaller, _USERS // smaller)
    pushing = {each: push_us(work.first(count // smaller), each) for each, count in _PUSHED.items()}
    with tempfile.TemporaryDirectory(prefix="forwarder-scale-") as folder:
        runs = list(_runs(asked, smaller, console, Path(folder)))
    if not runs:
        raise FailedError("nothing was asked for")
    return ScaleReport(machine.facts(), _backlog(work), pushing, runs)


def main() -> int:
    """Prints the report; 1 if it could not be measured."""
    asked = arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        report = ScaleReport.of(json.loads(asked.tell.read_text())) if asked.tell else _measured(asked, console)
    except (NginxMissingError, FailedError) as error:
        console.print(f"cannot measure: {error}", highlight=False)
        return 1
    report.print(console)
    if asked.json:
        asked.json.write_text(json.dumps(report.figures(), indent=1) + "\n")
    if asked.readme:
        asked.readme.write_text(written(asked.readme.read_text(), "scale", report.page()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
