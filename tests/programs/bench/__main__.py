"""Measures forwarder beside what one would otherwise use: in turn, repeatedly, and on equal backlogs.

It needs nginx, and Go, Node and npm for some contestants. A contestant that cannot run here is skipped, with a line
that says why. All of it takes about three quarters of an hour; --quick, a smoke test, takes a few minutes.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tests.programs.bench import machine
from tests.programs.bench.idle import measure_idle
from tests.programs.bench.killing import kill_half_way
from tests.programs.bench.measure import FailedError, Measurement, measure
from tests.programs.bench.peers.peer import Peer, UnavailableError
from tests.programs.bench.peers.roster import PEERS
from tests.programs.bench.report import Killed, Report
from tests.programs.bench.sink import NginxMissingError, find_nginx
from tests.programs.bench.tell import add_outputs, tell
from tests.programs.bench.work import Work, deep, rows, shop, strangers, zipf

_WORKS = ("zipf", "shop", "strangers", "rows", "deep")
#: Seconds of a run at a rate in which every event is another user's: more would show the same.
_STEADY_SECONDS = 30
#: The part of the backlog that they get when unlimited.
_STEADY_PART = 15_000
_LONGEST = 420.0
_QUICK = 20


def works(names: list[str], scale: int) -> list[Work]:
    """The backlogs, `scale` times smaller than they should be."""
    found = []
    if "zipf" in names:
        found.append(zipf(300_000 // scale, 10_000 // scale))
    if "shop" in names:
        found.append(shop(69_659 // scale))
    if "strangers" in names:
        found.append(strangers(300_000 // scale))
    if "rows" in names:
        found += [rows(1_000_000 // scale, 100), rows(200_000 // scale, 10), rows(40_000 // scale, 1)]
    if "deep" in names:
        found += [deep(200_000 // scale), deep(2_000_000 // scale)]
    return found


@dataclass
class Bench:
    """What was asked, and what was found so far."""

    asked: argparse.Namespace
    console: Console
    scratch: Path
    runs: Path
    measurements: list[Measurement] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def installed(self) -> Iterator[Peer]:
        """Those of the chosen that can run here."""
        for peer in PEERS:
            if peer.name in self.asked.peers:
                self.console.print(f"installing {peer.name}", style="dim")
                try:
                    peer.install(self.scratch)
                except UnavailableError as error:
                    self.skipped[peer.name] = str(error)
                    self.console.print(f"skipped {peer.name}: {error}", highlight=False)
                    continue
                yield peer

    def measure(self, peer: Peer, work: Work, rate: int, turn: int) -> None:
        """One run; a contestant that fails is left out of the rest."""
        if peer.name in self.skipped or not _takes_part(peer, work, rate):
            return
        folder = self.runs / f"{turn}-{work.name}-{rate}-{peer.name}"
        steady = len(work.posts) == len(work.events) or not peer.groups
        seconds = max(2, _STEADY_SECONDS // (_QUICK if self.asked.quick else 1))
        part = (rate * seconds or _STEADY_PART) if steady else len(work.events)
        try:
            found = measure(peer, work, rate, folder, part=part, longest=_LONGEST)
        except (FailedError, UnavailableError) as error:
            self.skipped[peer.name] = f"{work.name}: {error}"
            self.console.print(f"failed  {peer.name}: {error}", highlight=False)
            return
        shutil.rmtree(folder)
        self.measurements.append(found)
        speed = f"{found.events_per_second:,.0f} events/s, {found.cpu_us:.1f} µs CPU each"
        self.console.print(f"{turn + 1} {work.name} {rate or 'unlimited'} {peer.name}: {speed}", highlight=False)


def _takes_part(peer: Peer, work: Work, rate: int) -> bool:
    """Rows tell the cost of a POST, and a deep list what memory it takes: questions to few.

    At a rate, who sends one event in a POST takes as many POSTs as there are events: that needs no measuring.
    """
    if rate and not peer.groups:
        return False
    if work.name.startswith("rows"):
        return peer.name in {"forwarder", "limit"} and rate == 0
    return not work.name.startswith("deep") or (peer.name == "forwarder" and rate == 0)


def run(bench: Bench) -> Report:
    """Everything that was asked."""
    asked = bench.asked
    peers = list(bench.installed())
    backlogs = works(asked.works, _QUICK if asked.quick else 1)
    for rate in asked.rates:
        # How long a run takes at a rate is decided by how many POSTs it needs: once is enough.
        for turn in range(asked.repeats if rate == 0 else 1):
            for work in backlogs:
                for peer in peers:
                    bench.measure(peer, work, rate, turn)
    idle = measure_idle(bench.runs / "idle") if asked.idle else None
    killed = list(_kills(bench, peers)) if asked.kill else []
    return Report(
        machine=machine.facts(),
        measurements=bench.measurements,
        titles={peer.name: peer.title for peer in PEERS},
        works={work.name: work.title for work in backlogs},
        optimum={work.name: len(work.posts) for work in backlogs},
        one_by_one=[peer.name for peer in peers if not peer.groups],
        loses={peer.name: peer.loses for peer in peers},
        skipped=bench.skipped,
        killed=killed,
        idle=idle,
    )


def _kills(bench: Bench, peers: list[Peer]) -> Iterator[Killed]:
    for peer in peers:
        if peer.name != "limit" and peer.name not in bench.skipped:
            bench.console.print(f"killing {peer.name}", style="dim")
            try:
                yield kill_half_way(peer, bench.runs / f"kill-{peer.name}")
            except (FailedError, UnavailableError) as error:
                bench.console.print(f"failed  {peer.name}: {error}", highlight=False)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench", description=__doc__)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", nargs="+", choices=names, default=names)
    parser.add_argument("--works", nargs="+", choices=_WORKS, default=list(_WORKS))
    parser.add_argument("--rates", nargs="+", type=int, default=[0, 120], help="POSTs a second; 0 is no limit")
    parser.add_argument("--repeats", type=int, default=3, help="of what is unlimited; a rate is run once")
    parser.add_argument("--quick", action="store_true", help=f"everything {_QUICK} times smaller: a smoke test")
    parser.add_argument("--idle", action="store_true", help="also measure from the push of one event to its 202")
    parser.add_argument("--kill", action="store_true", help="also kill each worker half way and count what is lost")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "forwarder-bench")
    add_outputs(parser)
    return parser


def main() -> int:
    """Prints the report; 1 if nothing could be measured."""
    asked = arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        find_nginx()
    except NginxMissingError as error:
        console.print(f"cannot measure: {error}")
        return 1
    asked.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="forwarder-bench-", ignore_cleanup_errors=True) as runs:
        report = run(Bench(asked, console, asked.scratch, Path(runs)))
    report.print(console)
    tell(report, asked)
    return 0 if report.measurements or report.killed else 1


if __name__ == "__main__":
    sys.exit(main())
