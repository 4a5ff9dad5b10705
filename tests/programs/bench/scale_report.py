"""What fleets showed: medians, ratios, and what a rate of events takes. Knows nothing of how it was measured."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.console import Console

from tests.programs.bench import sizing
from tests.programs.bench.fleet import PRODUCERS, SHARDS, FleetRun
from tests.programs.bench.sheet import Sheet
from tests.programs.bench.sizing import Costs

_BREAKS = "What reaches its limit, in this order, if everything is used fully:"
_MEDIAN_OF = (
    "events",
    "fewest_posts",
    "seconds",
    "posts",
    "cpu_us",
    "master_us",
    "replica_us",
    "waiting_bytes",
    "network_bytes",
)


@dataclass(frozen=True)
class Backlog:
    """What every fleet drained without a limit."""

    title: str
    #: At the least, per event.
    posts: float
    body_bytes: float
    element_bytes: float


@dataclass(frozen=True)
class ScaleReport:
    """Everything that was found."""

    machine: Mapping[str, str]
    backlog: Backlog
    #: CPU of Redis per pushed event, by how many were pushed at once.
    push_us: Mapping[int, float]
    runs: Sequence[FleetRun]

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """From what :meth:`figures` gave."""
        return cls(
            figures["machine"],
            Backlog(**figures["backlog"]),
            {int(at_once): value for at_once, value in figures["push_us"].items()},
            [FleetRun(**run) for run in figures["runs"]],
        )

    def figures(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "machine": dict(self.machine),
            "backlog": asdict(self.backlog),
            "push_us": {str(at_once): value for at_once, value in self.push_us.items()},
            "medians": list(self.medians()),
            "sizes": [asdict(sizing.size(self.costs, rate)) for rate in sizing.RATES],
            "ceilings": [asdict(each) for each in sizing.ceilings(self.costs)],
            "runs": [asdict(run) for run in self.runs],
        }

    def medians(self) -> Iterator[dict[str, Any]]:
        """One for each store, rate and number of workers, in the order of their first runs."""
        for store, rate, workers in dict.fromkeys((run.store, run.rate, run.workers) for run in self.runs):
            alike = [run for run in self.runs if (run.store, run.rate) == (store, rate)]
            group = [run for run in alike if run.workers == workers]
            alone = {run.turn: run.cpu_us for run in alike if run.workers == 1}
            ratios = [run.cpu_us / alone[run.turn] for run in group if run.turn in alone]
            yield {
                "store": store,
                "workers": workers,
                "rate": rate,
                "runs": len(group),
                "cpu_over_one_workers": statistics.median(ratios) if ratios else None,
                "peak_bytes": max(run.peak_bytes for run in group),
                **{name: statistics.median(getattr(run, name) for run in group) for name in _MEDIAN_OF},
            }

    @property
    def costs(self) -> Costs:
        """Of one event, where it cost most; of a worker, at the rate that was kept, if one was."""
        found = list(self.medians())
        paced = [each for each in found if each["rate"]] or found
        most = {name: max(each[name] for each in found) for name in (*_MEDIAN_OF, "peak_bytes")}
        return Costs(
            worker_us=max(each["cpu_us"] for each in paced),
            redis_us=most["master_us"],
            push_us=max(self.push_us.values()),
            cheap_push_us=min(self.push_us.values()),
            waiting_bytes=most["waiting_bytes"],
            redis_bytes=most["network_bytes"] + self.backlog.element_bytes,
            body_bytes=self.backlog.body_bytes,
            worker_bytes=most["peak_bytes"],
        )

    def measured(self) -> Sheet:
        """A row for each fleet at each rate."""
        head = (
            "lists in",
            "limit of each, POSTs/s",
            "workers",
            "events/s",
            "POSTs ÷ fewest",
            "worker CPU µs per event",
            "÷ that of one worker",
            "Redis CPU µs per event",
            "its replicas",
            "peak memory of a worker",
        )
        stores = [run.store for run in self.runs]
        rows = sorted(self.medians(), key=lambda each: (stores.index(each["store"]), each["rate"]))
        return Sheet(head, [self._row(each) for each in rows], texts=2)

    def _row(self, each: Mapping[str, Any]) -> Sequence[str]:
        ratio = each["cpu_over_one_workers"]
        return (
            each["store"],
            f"{each['rate']:,}" if each["rate"] else "unlimited",
            str(each["workers"]),
            f"{each['events'] / each['seconds']:,.0f}",
            f"{each['posts'] / each['fewest_posts']:.2f}",
            f"{each['cpu_us']:.1f}",
            "-" if ratio is None else f"{ratio:.2f}",
            f"{each['master_us']:.1f}",
            f"{each['replica_us']:.1f}" if each["replica_us"] else "-",
            f"{each['peak_bytes'] / 2**20:,.0f} MiB",
        )

    def intro(self) -> str:
        """The machine, and what was drained."""
        machine = self.machine
        return (
            f"Measured on {machine['CPU']}, Python {machine['Python']}, {machine['Redis']} with an append-only file. "
            f"Unlimited: {self.backlog.title}, on {SHARDS} lists, at best {1 / self.backlog.posts:.1f} in a POST. "
            f"With a limit: 1/{SHARDS} of that for each worker. Every event arrived exactly once."
        )

    def sizes(self) -> Sheet:
        """A row for each thing that is needed, a column for each rate."""
        found = [sizing.size(self.costs, rate) for rate in sizing.RATES]
        one, many = min(self.push_us), max(self.push_us)
        rows: dict[str, Iterable[str]] = {
            f"API accounts, at {sizing.POSTS} POSTs/s": (f"{each.accounts:,}" for each in found),
            "workers, with a core each": (f"{each.workers:,}" for each in found),
            "their memory": (f"{each.worker_gib:,.1f} GiB" for each in found),
            "queues": (f"{each.queues:,}" for each in found),
            "`FORWARDER_SHARDS` of each": (f"{each.shards:,}" for each in found),
            f"Redis masters for their CPU, with {one} event in an RPUSH": (f"{each.nodes_for_cpu:,}" for each in found),
            f"the same, with {many} events in an RPUSH": (f"{each.nodes_for_cheap_cpu:,}" for each in found),
            "Redis masters for the memory of an hour's events": (f"{each.nodes_for_memory:,}" for each in found),
            "memory of an hour's events": (f"{each.outage_gib:,.0f} GiB" for each in found),
            "network of Redis": (f"{each.redis_gbit:,.2f} Gbit/s" for each in found),
            "network to the API, bodies only": (f"{each.api_gbit:,.2f} Gbit/s" for each in found),
        }
        head = ("events per second", *(f"{each.rate:,}" for each in found))
        return Sheet(head, [(name, *cells) for name, cells in rows.items()])

    def ceilings(self) -> Sheet:
        """What reaches its limit, in order."""
        rows = [(each.what, each.then, f"{each.rate:,.0f}") for each in sizing.ceilings(self.costs)]
        return Sheet(("limit", "what helps", "at events/s"), rows, texts=2)

    def notes(self) -> Sequence[str]:
        """What else was measured."""
        costs, element = self.costs, self.backlog.element_bytes
        pushed = ", ".join(f"{us:.1f} µs with {at_once} in an RPUSH" for at_once, us in self.push_us.items())
        return (
            f"With {PRODUCERS} producers at once, a push costs this much CPU of Redis per event: {pushed}.",
            f"A waiting event uses {costs.waiting_bytes:,.0f} bytes of Redis memory. Its element has {element:,.0f}.",
            f"An event uses {costs.redis_bytes:,.0f} bytes on the network of Redis, including its push.",
            f"In a POST it uses {costs.body_bytes:,.0f} bytes.",
        )

    def given(self) -> str:
        """What the calculation begins with."""
        costs, gib = self.costs, sizing.NODE_BYTES // 2**30
        return (
            f"The calculation uses the most expensive of these figures: {costs.worker_us:.1f} µs of a worker's core, "
            f"{costs.redis_us:.1f} µs of a master's core plus the push, and {costs.worker_bytes / 2**20:,.0f} MiB for "
            f"a worker. It plans to use {sizing.USED * 100:.0f} % of cores and memory, with {gib} GiB for each Redis "
            f"and {sizing.EVENTS_PER_POST} events in each POST. Each master also needs a replica, which is not counted."
        )

    def page(self) -> str:
        """All of it as Markdown."""
        notes = "".join(f"- {note}\n" for note in self.notes())
        parts = (self.intro(), self.measured().markdown(), notes, self.given(), self.sizes().markdown())
        return "\n\n".join(part.strip() for part in (*parts, _BREAKS, self.ceilings().markdown())) + "\n"

    def print(self, console: Console) -> None:
        """The same for a terminal."""
        for part in (self.intro(), self.measured().table(), "\n".join(self.notes()), self.given()):
            console.print(part, "", sep="\n", highlight=False)
        console.print(self.sizes().table(), "", _BREAKS, "", self.ceilings().table(), sep="\n", highlight=False)
