"""One page about a soak."""

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.programs.soak.chaos import Disturbance


@dataclass(frozen=True)
class Report:
    """What a soak did and found. Seconds, and bytes."""

    seed: int
    seconds: float
    drained_after: float
    pushed: int
    uncertain: int
    posts: int
    letters: dict[str, int]
    disturbances: Sequence[Disturbance]
    #: When each accepted POST arrived, in order.
    accepted_at: Sequence[float]
    explained: Sequence[int]
    faults: dict[str, list[Any]]
    #: What `forwarder audit` said if it found the sums wrong.
    audit: str
    peak_rss: int

    @property
    def good(self) -> bool:
        """Whether every promise held, and something was asked of them."""
        return not self.faults and not self.audit and bool(self.disturbances) and bool(self.accepted_at)

    def recoveries(self) -> dict[str, list[float]]:
        """Seconds from the end of each disturbance to the next accepted POST, by kind."""
        found: dict[str, list[float]] = {}
        for each in self.disturbances:
            index = bisect_right(self.accepted_at, each.until)
            if index < len(self.accepted_at):
                found.setdefault(each.kind, []).append(self.accepted_at[index] - each.until)
        return found

    def figures(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "pushed": self.pushed,
            "pushes_without_an_answer": self.uncertain,
            "accepted_posts": self.posts,
            "letters": self.letters,
            "disturbances": dict(Counter(each.kind for each in self.disturbances)),
            "doubles_explained": len(self.explained),
            "faults": {kind: len(what) for kind, what in self.faults.items()},
            "audit": self.audit,
            "drained_after": round(self.drained_after, 1),
            "recovery": {
                kind: {"median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)}
                for kind, seconds in sorted(self.recoveries().items())
            },
            "peak_rss_bytes": self.peak_rss,
        }

    def print(self, console: Console) -> None:
        """The page."""
        recoveries = self.recoveries()
        table = Table("what went wrong", "times", "served again after: median", "at most", box=None, pad_edge=False)
        for kind, times in sorted(Counter(each.kind for each in self.disturbances).items()):
            seconds = recoveries.get(kind, [0.0])
            table.add_row(kind, str(times), f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s")
        console.print()
        console.print(table)
        letters = ", ".join(f"{count} {reason}" for reason, count in sorted(self.letters.items())) or "none"
        rate = (self.explained and len(self.explained) / self.pushed * 100) or 0.0
        console.print(
            f"\npushed      {self.pushed:,} events in {self.seconds:.0f} s, {self.uncertain:,} of them unanswered"
            f"\naccepted    {self.posts:,} POSTs; drained {self.drained_after:.1f} s after the last push"
            f"\nletters     {letters}"
            f"\ndoubles     {len(self.explained):,} ({rate:.2f} %), each after a POST that was in flight or not settled"
            f"\nmemory      {self.peak_rss / 2**20:.0f} MiB at most in a worker"
        )
        for kind, what in self.faults.items():
            console.print(f"[red]{kind}: {len(what)}[/], for example {what[:10]}")
        if self.audit:
            console.print(f"[red]{self.audit}[/]")
        console.print("every promise held" if self.good else "[red]a promise was broken[/]", style="bold")
