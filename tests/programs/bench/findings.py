"""Figures with targets: what the programs beside this file return and print, and what the page shows as one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console

from tests.programs.bench.sheet import Sheet


@dataclass(frozen=True)
class Finding:
    """One measured figure.

    Args:
        what: it is, in a few words.
        value: as measured.
        form: how it is shown, for example ``{:.1f} %``.
        least: the target, if the figure should be large.
        most: the target, if it should be small.
    """

    what: str
    value: float
    form: str = "{:.2f}"
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it meets its targets. It does if it has none."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def shown(self) -> str:
        return self.form.format(self.value)

    @property
    def target(self) -> str:
        """In words; empty if there is none."""
        bounds = [("at least", self.least), ("at most", self.most)]
        return ", ".join(f"{word} {self.form.format(bound)}" for word, bound in bounds if bound is not None)

    @property
    def verdict(self) -> str:
        if not self.target:
            return "-"
        return "met" if self.met else "missed"


def sheet(findings: Iterable[Finding]) -> Sheet:
    """A row for each finding: the missed targets first, what has no target last."""
    ranked = sorted(findings, key=lambda each: (each.met, not each.target))
    rows: Sequence[Sequence[str]] = [(each.what, each.target or "-", each.shown, each.verdict) for each in ranked]
    return Sheet(("what", "target", "measured", ""), rows)


def print_findings(findings: Iterable[Finding]) -> None:
    """For the terminal."""
    Console().print(sheet(findings).table())
