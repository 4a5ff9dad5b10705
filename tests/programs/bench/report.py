"""Measurements to medians, ratios and tables. Knows nothing of how they were made."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from tests.programs.bench.findings import Finding, sheet
from tests.programs.bench.measure import Measurement

_OURS = "forwarder"
_LIMIT = "limit"
_PAIR = "pair"
#: The least that the bare loop's CPU ÷ the forwarder's should be, by events in a POST.
_CPU_TARGETS = {"rows-100": 0.45, "rows-10": 0.75, "rows-1": 0.82}
_MEDIAN_OF = ("seconds", "posts", "cpu_us", "redis_us", "round_trips", "measured")


@dataclass(frozen=True)
class Median:
    """Several runs of the same, each figure's median; `spread` is the slowest run ÷ the fastest."""

    peer: str
    work: str
    rate: int
    runs: int
    events: int
    measured: float
    seconds: float
    posts: float
    cpu_us: float
    redis_us: float
    round_trips: float
    peak_bytes: int
    spread: float

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds

    @property
    def extrapolated(self) -> bool:
        return self.measured < self.events


def medians(measurements: Iterable[Measurement]) -> list[Median]:
    """One for each contestant, work and rate, in the order of their first runs."""
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for each in measurements:
        groups.setdefault((each.peer, each.work, each.rate), []).append(each)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Measurement]) -> Median:
    figures = {name: statistics.median(getattr(each, name) for each in group) for name in _MEDIAN_OF}
    seconds = [each.seconds for each in group]
    first = group[0]
    return Median(
        first.peer,
        first.work,
        first.rate,
        runs=len(group),
        events=first.events,
        peak_bytes=max(each.peak_bytes for each in group),
        spread=max(seconds) / min(seconds),
        **figures,
    )


@dataclass(frozen=True)
class Killed:
    """What a SIGKILL half way cost. Late: not there within the patience of the test; perhaps never."""

    peer: str
    events: int
    missing: int
    doubled: int


@dataclass(frozen=True)
class Idle:
    """Milliseconds until a 202, medians: of a POST by itself, and of an event from its push."""

    sink: float
    forwarder: float


@dataclass(frozen=True)
class Report:
    """Everything a benchmark found."""

    machine: Mapping[str, str]
    measurements: Sequence[Measurement]
    titles: Mapping[str, str]
    works: Mapping[str, str]
    #: The fewest POSTs that can carry each work.
    optimum: Mapping[str, int]
    loses: Mapping[str, str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    killed: Sequence[Killed] = ()
    idle: Idle | None = None
    #: Who sends one event in a POST: of them it is known how many POSTs a work takes.
    one_by_one: Sequence[str] = ()
    #: What the programs with targets of their own measured.
    findings: Sequence[Finding] = ()

    @classmethod
    def of_parts(cls, parts: Sequence[Mapping[str, Any]]) -> Self:
        """One report of several, from their figures; the first one's machine and idle times."""
        titles, works, optimum, loses, skipped = (
            {name: value for part in reversed(parts) for name, value in part[key].items()}
            for key in ("titles", "works", "optimum_posts", "loses_when_killed", "skipped")
        )
        return cls(
            machine=parts[0]["machine"],
            measurements=[Measurement(**run) for part in parts for run in part["runs"]],
            titles=titles,
            works=works,
            optimum=optimum,
            loses=loses,
            skipped=skipped,
            killed=[Killed(**each) for part in parts for each in part["killed"]],
            idle=next((Idle(**part["idle_milliseconds"]) for part in parts if part["idle_milliseconds"]), None),
            one_by_one=sorted({peer for part in parts for peer in part["one_by_one"]}),
            findings=[Finding(**each) for part in parts for each in part.get("findings", ())],
        )

    def found(self, work: str, rate: int) -> list[Median]:
        return [each for each in medians(self.measurements) if (each.work, each.rate) == (work, rate)]

    def ratios(self) -> list[dict[str, Any]]:
        """forwarder ÷ each other one: events/s and, at the same time its reciprocal, the time to drain."""
        found = {(each.peer, each.work, each.rate): each for each in medians(self.measurements)}
        rows = []
        for (peer, work, rate), each in found.items():
            ours = found.get((_OURS, work, rate))
            if ours is not None and peer != _OURS:
                speed = ours.events_per_second / each.events_per_second
                rows.append({"work": work, "rate": rate, "peer": peer, "speed": speed, "time": 1 / speed})
        return rows

    def cpu_ratios(self) -> dict[str, float]:
        """CPU per event of the bare loop ÷ the worker's, by work; 1 would be no cost at all."""
        found = {(each.peer, each.work): each for each in medians(self.measurements) if each.rate == 0}
        return {
            work: found[_LIMIT, work].cpu_us / ours.cpu_us
            for (peer, work), ours in found.items()
            if peer == _OURS and (_LIMIT, work) in found and work.startswith("rows-")
        }

    def targets(self) -> list[Finding]:
        """All figures with targets, and what was measured with them."""
        found = [
            Finding(f"CPU: bare loop ÷ forwarder, {self.works[work]}", ratio, least=_CPU_TARGETS[work])
            for work, ratio in self.cpu_ratios().items()
        ]
        speeds = {each.peer: each.events_per_second for each in self.found("strangers", 0)}
        ours, others = speeds.get(_PAIR), {each: speeds[each] for each in speeds if each not in {_OURS, _PAIR, _LIMIT}}
        if ours and others:
            fastest = max(others, key=lambda each: others[each])
            what = f"(c): events/s of two workers ÷ those of {self.titles[fastest]}, the fastest other"
            found.append(Finding(what, ours / others[fastest], least=1.0))
        return [*found, *self.findings]

    def _ours_unlimited(self) -> list[Median]:
        return [each for each in medians(self.measurements) if (each.peer, each.rate) == (_OURS, 0)]

    def memory_ratio(self) -> float | None:
        """Peak memory with the deepest list ÷ with the shallowest."""
        peaks = {each.events: each.peak_bytes for each in self._ours_unlimited() if each.work.startswith("deep-")}
        return peaks[max(peaks)] / peaks[min(peaks)] if peaks else None

    def round_trips(self) -> float | None:
        """To Redis, per event, in the work that needs the most of them."""
        return max((each.round_trips for each in self._ours_unlimited()), default=None)

    def figures(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "machine": dict(self.machine),
            "works": dict(self.works),
            "titles": dict(self.titles),
            "one_by_one": list(self.one_by_one),
            "optimum_posts": dict(self.optimum),
            "medians": [asdict(each) | {"extrapolated": each.extrapolated} for each in medians(self.measurements)],
            "ratios": self.ratios(),
            "bare_loop_cpu_over_workers": self.cpu_ratios(),
            "memory_deepest_over_shallowest": self.memory_ratio(),
            "round_trips_per_event": self.round_trips(),
            "idle_milliseconds": asdict(self.idle) if self.idle else None,
            "killed": [asdict(each) for each in self.killed],
            "loses_when_killed": dict(self.loses),
            "skipped": dict(self.skipped),
            "findings": [asdict(each) for each in self.findings],
            "targets": [asdict(each) for each in self.targets()],
            "runs": [asdict(each) for each in self.measurements],
        }

    def print(self, console: Console) -> None:
        """The pages."""
        console.print("\n".join(f"{name:8} {fact}" for name, fact in self.machine.items()), highlight=False)
        for peer, why in self.skipped.items():
            console.print(f"skipped  {peer}: {why}", highlight=False)
        for work, rate in dict.fromkeys((each.work, each.rate) for each in medians(self.measurements)):
            self._print_work(console, work, rate)
        if (memory := self.memory_ratio()) is not None:
            console.print(f"memory, deepest list ÷ shallowest: {memory:.2f}")
        if (trips := self.round_trips()) is not None:
            console.print(f"round trips to Redis per event, at most: {trips:.4f}", highlight=False)
        if self.idle:
            times = f"{self.idle.forwarder:.1f} ms from push to 202, {self.idle.sink:.1f} ms of it the sink's own"
            console.print(f"idle     forwarder with linger=0: {times}", highlight=False)
        for each in self.killed:
            lost = f"{each.missing} of {each.events:,} missing, {each.doubled} doubled"
            console.print(f"killed   {self.titles[each.peer]}: {lost}", highlight=False)
        console.print()
        console.print(sheet(self.targets()).table())

    def _print_work(self, console: Console, work: str, rate: int) -> None:
        rows = self.found(work, rate)
        ours = next((each for each in rows if each.peer == _OURS), None)
        limit = "unlimited" if rate == 0 else f"{rate} POSTs/s"
        columns = (
            "events/s",
            "to drain",
            "POSTs ÷ optimum",
            "CPU µs/event",
            "Redis µs/event",
            "memory",
            "forwarder is",
        )
        table = Table(f"{self.works[work]}, {limit}", *columns, box=None, pad_edge=False)
        for each in rows:
            faster = f"{each.seconds / ours.seconds:.2f} ×" if ours and each is not ours else ""
            table.add_row(
                self.titles[each.peer],
                f"{each.events_per_second:,.0f}",
                f"{each.seconds:,.1f} s" + (" *" if each.extrapolated else ""),
                f"{each.posts / self.optimum[work]:.2f}",
                f"{each.cpu_us:.1f}",
                f"{each.redis_us:.1f}",
                f"{each.peak_bytes / 2**20:,.0f} MiB",
                faster,
            )
        console.print()
        console.print(table)
        if any(each.extrapolated for each in rows):
            console.print("* extrapolated from a smaller part of the backlog", highlight=False)
