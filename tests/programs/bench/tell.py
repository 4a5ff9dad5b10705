"""Writes up a benchmark: `python -m tests.programs.bench.tell PART.json ... --publish`.

With `tests/programs/bench/results/bench.json` as the only part, it writes the pages and the charts again.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from tests.programs.bench import charts, page
from tests.programs.bench.report import Report
from tests.support.documents import BENCH, README, ROOT, written


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The options of :func:`tell`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--publish", action="store_true", help="write this repository's bench.json, pages and charts")


def tell(report: Report, asked: argparse.Namespace) -> None:
    """Writes what was asked for."""
    if asked.json:
        _write_figures(report, asked.json)
    if asked.publish:
        publish(report, ROOT)


def publish(report: Report, root: Path) -> None:
    """Writes the figures, the parts of the documents that show them, and the charts."""
    figures = report.figures()
    pages = {
        BENCH: {"bench": page.page(figures), "targets": page.targets(figures)},
        README: {"bench": page.summary(figures)},
    }
    for document, parts in pages.items():
        copy = root / document.relative_to(ROOT)
        for name, part in parts.items():
            copy.write_text(written(copy.read_text(), name, part))
    results = root / BENCH.relative_to(ROOT).parent / "results"
    results.mkdir(exist_ok=True)
    _write_figures(report, results / "bench.json")
    for name, drawn in charts.charts(report).items():
        (results / name).write_text(drawn)


def _write_figures(report: Report, file: Path) -> None:
    file.write_text(json.dumps(report.figures(), indent=1) + "\n")


def main() -> None:
    """Puts the parts together."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.tell", description=__doc__)
    parser.add_argument("parts", nargs="+", type=Path, help="what `python -m tests.programs.bench --json` wrote")
    add_outputs(parser)
    asked = parser.parse_args()
    report = Report.of_parts([json.loads(part.read_text()) for part in asked.parts])
    report.print(Console())
    tell(report, asked)


if __name__ == "__main__":
    main()
