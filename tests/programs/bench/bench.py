"""What a benchmark is asked for, and the contestants' runs that its parts consist of."""

import argparse
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from tests.programs.bench import machine
from tests.programs.bench.findings import Finding
from tests.programs.bench.measure import Measurement, measure
from tests.programs.bench.peers.peer import Peer
from tests.programs.bench.peers.roster import PEERS
from tests.programs.bench.report import Idle, Killed, Report
from tests.programs.bench.work import Work, deep, rows, shop, strangers, zipf

WORKS = ("zipf", "shop", "strangers", "rows", "deep")
#: How many times smaller everything is in a smoke test.
QUICK = 20
#: Seconds of a run at a rate in which every event is another user's: more would show the same.
_STEADY_SECONDS = 30
_LONGEST = 420.0

Value = TypeVar("Value")


def works(names: Sequence[str], scale: int) -> list[Work]:
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
    """What was asked for.

    A contestant that fails is left out of the rest of the runs with that backlog, and the report says why. So is a part
    that fails.
    """

    asked: argparse.Namespace
    console: Console
    scratch: Path
    runs: Path
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def scale(self) -> int:
        """How many times smaller everything is."""
        return QUICK if self.asked.quick else 1

    @cached_property
    def works(self) -> list[Work]:
        return works(self.asked.works, self.scale)

    @cached_property
    def peers(self) -> list[Peer]:
        """The chosen contestants that can run here. The first use installs them."""
        return [peer for peer in PEERS if peer.name in self.asked.peers and self._installed(peer)]

    def _installed(self, peer: Peer) -> bool:
        def install() -> bool:
            peer.install(self.scratch)
            return True

        self.console.print(f"installing {peer.name}", style="dim")
        return bool(self.attempt(peer.name, install))

    def attempt(self, name: str, work: Callable[[], Value]) -> Value | None:
        """What `work` returns. If it fails, none, and it is noted under this name."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever one contestant does, the others are measured
            why = str(error) or type(error).__name__
            self.skipped[name] = why
            self.console.print(f"failed  {name}: {why}", highlight=False, markup=False)
            return None

    def run(self, peer: Peer, work: Work, rate: int, turn: int = 0) -> Measurement | None:
        """One run; none if it failed now or before."""
        name = f"{peer.name}, {work.name}"
        if name in self.skipped:
            return None
        folder = self.runs / f"{turn}-{work.name}-{rate}-{peer.name}"
        seconds = max(2, _STEADY_SECONDS // self.scale)
        steady = len(work.posts) == len(work.events) or not peer.groups
        part = (rate * seconds or peer.part) if steady else len(work.events)
        found = self.attempt(name, lambda: measure(peer, work, rate, folder, part=part, longest=_LONGEST))
        if found is not None:
            shutil.rmtree(folder)
            speed = f"{found.events_per_second:,.0f} events/s, {found.cpu_us:.1f} µs CPU each"
            limit = f"{rate} POSTs/s" if rate else "unlimited"
            self.console.print(f"{work.name}, {limit}, {peer.name}: {speed}", highlight=False)
        return found

    def done(self, name: str, future: Future[Value]) -> Value | None:
        """What it came to, as :meth:`attempt`."""
        return self.attempt(name, future.result)

    def report(
        self,
        measurements: Sequence[Measurement] = (),
        *,
        killed: Sequence[Killed] = (),
        idle: Idle | None = None,
        findings: Sequence[Finding] = (),
    ) -> Report:
        """What was found, and what is needed to show it."""
        return Report(
            machine=machine.facts(),
            measurements=measurements,
            titles={peer.name: peer.title for peer in PEERS},
            works={work.name: work.title for work in self.works},
            optimum={work.name: len(work.posts) for work in self.works},
            one_by_one=[peer.name for peer in PEERS if not peer.groups],
            loses={peer.name: peer.loses for peer in PEERS},
            skipped=dict(self.skipped),
            killed=killed,
            idle=idle,
            findings=findings,
        )
