"""Random worlds, one after the other, each from a seed that is printed; at the first broken promise it stops."""

import argparse
import gc
import secrets
import sys
import time
from collections import Counter

from tests.support.fleet.faults import FAULTS
from tests.support.fleet.life import Report, live
from tests.support.fleet.world import Size
from tests.support.virtual.stepped import why_not


def main() -> int:
    given = _arguments()
    if reason := why_not():
        print(f"cannot simulate: {reason}")
        return 1
    begun = time.monotonic()
    faults: Counter[str] = Counter()
    hours = worker_hours = 0.0
    worlds = 0
    while True:
        seed = given.seed or secrets.token_hex(4)
        size = Size(given.workers, given.lists)
        report = live(seed, size=size, hours=given.hours, pause=given.pause, only=tuple(given.only))
        gc.collect()
        worlds += 1
        faults += report.faults
        hours += report.hours
        worker_hours += report.worker_hours
        print(_line(report), flush=True)
        if report.violations:
            print(_violation(report, given))
            return 1
        if given.seed or time.monotonic() - begun > given.minutes * 60:
            break
    minutes = (time.monotonic() - begun) / 60
    print(
        f"{worlds} world{'s' * (worlds > 1)}, {hours:.1f} virtual hours, {worker_hours:.1f} worker-hours "
        f"in {minutes:.1f} minutes: "
        f"{hours / minutes:.2f} hours and {worker_hours / minutes:.2f} worker-hours per minute"
    )
    print("faults: " + ", ".join(f"{count} {name}" for name, count in sorted(faults.items())))
    print("✔ every promise was kept")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.fleet", description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--lists", type=int, default=8)
    parser.add_argument("--hours", type=float, default=0.5, help="virtual hours with faults, in each world")
    parser.add_argument("--pause", type=float, default=60.0, help="mean virtual seconds between two faults")
    parser.add_argument("--only", nargs="*", default=[], choices=sorted(FAULTS), help="only these faults")
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes after which no further world begins")
    parser.add_argument("--seed", default="", help="plays this one world")
    return parser.parse_args()


def _line(report: Report) -> str:
    return (
        f"seed {report.seed}: {report.hours:.2f} h, {report.worker_hours:.2f} worker-hours, {report.events:,} events, "
        f"{report.posts:,} POSTs, at most {report.worst} in a second, {report.doubles} sent twice with a cause, "
        f"{report.commands:,} commands, {report.faults.total()} faults, trace {report.digest}"
    )


def _violation(report: Report, given: argparse.Namespace) -> str:
    again = (
        f"python -m tests.programs.fleet --workers {given.workers} --lists {given.lists} --hours {given.hours:g} "
        f"--pause {given.pause:g} --seed {report.seed}" + (f" --only {' '.join(given.only)}" if given.only else "")
    )
    return "\n".join(
        [
            *report.tail,
            "",
            *(f"✘ {each}" for each in report.violations),
            f"the first faults: {', '.join(report.first) or 'none'}",
            f"again with: {again}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
