"""Runs the catalogue: one copy of the tree for each mutation, two at a time."""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.programs.mutations.broken import broken, environment
from tests.programs.mutations.catalogue import CATALOGUE, Mutation

#: The long tests too, as far as a mutation names them.
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-m", "", "--timeout=60", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Result:
    """What became of one mutation: the test that caught it, or None and the end of what the tests printed."""

    mutation: Mutation
    caught_by: str | None
    said: str


def attempt(mutation: Mutation) -> Result:
    """Applies a mutation to a copy of the tree and runs its tests there."""
    with broken([mutation.edit]) as copy:
        ran = subprocess.run(
            [*_PYTEST, *mutation.tests],
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    caught = [line.split("::", 1)[1].split(" - ")[0] for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    # A run that could not even begin has caught nothing.
    return Result(mutation, caught[0] if ran.returncode == 1 and caught else None, ran.stdout[-2_000:])


def main() -> int:
    """Prints a line for each mutation; 1 if one survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.mutations", description=__doc__)
    parser.add_argument("-k", default="", metavar="TEXT", help="only mutations whose description or file has TEXT")
    chosen = [each for each in CATALOGUE if (text := parser.parse_args().k) in each.what or text in each.file]
    console = Console()
    with ThreadPoolExecutor(2) as pool:
        results = list(track(pool.map(attempt, chosen), "breaking", len(chosen), console=console, transient=True))
    table = Table("promise", "broken on purpose", box=None, pad_edge=False)
    table.add_column("caught by", overflow="fold")
    for result in sorted(results, key=lambda result: result.mutation.promise):
        table.add_row(str(result.mutation.promise), result.mutation.what, result.caught_by or "[red]nothing[/]")
    console.print(table)
    survived = [result for result in results if result.caught_by is None]
    for result in survived:
        console.print(f"\nsurvived: {result.mutation.what} ({result.mutation.file})", style="red")
        console.print(result.said, markup=False, highlight=False)
    console.print(f"{len(results)} mutations, {len(survived)} survived")
    return 1 if survived or not results else 0


if __name__ == "__main__":
    sys.exit(main())
