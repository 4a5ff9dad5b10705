"""Writes up a benchmark that was measured in parts.

`python -m tests.programs.bench.tell PART.json ... --readme tests/programs/bench/README.md`
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from tests.programs.bench import charts, page
from tests.programs.bench.report import Report
from tests.support.documents import written


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The options of :func:`tell`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the page of figures into this document")
    parser.add_argument("--charts", type=Path, metavar="FOLDER", help="draw SVGs there")


def tell(report: Report, asked: argparse.Namespace) -> None:
    """Writes what was asked for."""
    figures = report.figures()
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    if asked.readme:
        asked.readme.write_text(written(asked.readme.read_text(), "bench", page.page(figures)))
    if asked.charts:
        asked.charts.mkdir(parents=True, exist_ok=True)
        for name, drawn in charts.charts(report).items():
            (asked.charts / name).write_text(drawn)


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
