"""Measures forwarder beside what one would otherwise use, on equal backlogs, and how well it meets its own targets.

It needs nginx, and Go, Node and npm for some contestants. A contestant that cannot run here is skipped, with a line
that says why. --quick, a smoke test, takes a few minutes. Each part is kept as soon as it is measured: after an
interruption, --resume goes on with the next one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.programs.bench.bench import QUICK, WORKS, Bench
from tests.programs.bench.parts import PARTS
from tests.programs.bench.peers.roster import PEERS
from tests.programs.bench.report import Report
from tests.programs.bench.sink import NginxMissingError, find_nginx
from tests.programs.bench.tell import add_outputs, tell


def plan(names: list[str]) -> str:
    """How long these parts take."""
    minutes = {name: PARTS[name].minutes for name in names}
    listed = ", ".join(f"{name} {each:g}" for name, each in minutes.items())
    return f"This takes about {sum(minutes.values()):.0f} minutes, after the contestants are installed ({listed})."


def run(bench: Bench) -> Report | None:
    """Everything that was asked for; none if nothing could be measured."""
    found = [part for name in bench.asked.parts if (part := _part(bench, name))]
    if not found:
        return None
    report = Report.of_parts(found)
    return replace(report, skipped={**report.skipped, **bench.skipped})


def _part(bench: Bench, name: str) -> Mapping[str, Any] | None:
    """The figures of one part, as they are kept."""
    kept: Path = bench.scratch / ("quick" if bench.asked.quick else "parts") / f"{name}.json"
    if bench.asked.resume and kept.exists():
        bench.console.print(f"{name}: kept from an earlier run, in {kept}", highlight=False)
    else:
        kept.unlink(missing_ok=True)
        bench.console.rule(f"{name}, about {PARTS[name].minutes:g} minutes")
        report = bench.attempt(name, lambda: PARTS[name].measure(bench))
        if report is None:
            return None
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(report.figures()))
    figures: Mapping[str, Any] = json.loads(kept.read_text())
    return figures


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench", description=__doc__)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--peers", nargs="+", choices=names, default=names)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--repeats", type=int, default=3, help="at most, of what is unlimited; a rate is run once")
    parser.add_argument("--quick", action="store_true", help=f"everything {QUICK} times smaller: a smoke test")
    parser.add_argument("--resume", action="store_true", help="measure only the parts that the last run did not reach")
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
    if not asked.quick:
        console.print(plan(asked.parts), highlight=False)
    asked.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="forwarder-bench-", ignore_cleanup_errors=True) as runs:
        report = run(Bench(asked, console, asked.scratch, Path(runs)))
    if report is None:
        return 1
    report.print(console)
    tell(report, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
