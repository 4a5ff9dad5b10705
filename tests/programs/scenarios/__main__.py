"""Causes every scenario, and prints what `forwarder status`, the page, /readyz and the log say.

`--publish` also writes the table into deploy/status-page.md, and takes the pictures.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.scenarios import table
from tests.programs.scenarios.pictures import pictures
from tests.support.scenarios.catalogue import SCENARIOS, Scenario
from tests.support.scenarios.playing import Camera, Played, play
from tests.support.servers.browser import chromium

#: Where the files of the scenarios are. It can be seen in a picture.
_FILES = Path("/tmp/forwarder")
#: Seconds for which the log is read after everything was said.
_LINGER = 10.0


async def one(scenario: Scenario, camera: Camera | None) -> Played:
    """One scenario, with a Redis of its own."""
    with TemporaryDirectory() as data, EmbeddedRedis(port=None, appendonly=True, directory=Path(data)) as server:
        return await play(scenario, server, _FILES / scenario.name, camera=camera, linger=_LINGER)


def shown(played: Played) -> str:
    """What was said, for a person who runs this."""
    look = played.during
    lines = [f"\n{played.scenario.title} ({played.scenario.name})"]
    for place, said in look.places.items():
        after = "-" if said.after is None else f"{said.after:.1f} s"
        lines.append(f"  {place:8} {after:>7}  {', '.join(said.reasons)}: {said.title}: {said.sentence} {said.detail}")
        lines += [f"{'':20}- {step}" for step in said.steps]
    lines += [f"    {line}" for line in look.status.text.splitlines()]
    lines += [f"  log: {line['level']} {line['event']}" for line in look.lines]
    lines.append(f"  over after {played.after.seconds:.1f} s: {', '.join(played.after.page.reasons)}")
    return "\n".join([*lines, *(f"  WRONG: {each}" for each in played.problems), ""])


async def run(names: Iterable[str], *, publish: bool) -> bool:
    """Plays the scenarios one after the other. Returns whether everything was said as it must be."""
    rows, wrong = [], 0
    async with AsyncExitStack() as stack:
        camera = await stack.enter_async_context(pictures()) if publish else None
        for scenario in [each for each in SCENARIOS if each.name in names]:
            played = await one(scenario, camera)
            sys.stdout.write(shown(played))
            sys.stdout.flush()
            wrong += len(played.problems)
            rows.append(table.row(played, str(_FILES / scenario.name / "key")))
    if publish and len(rows) == len(SCENARIOS):
        table.write(rows)
    return not wrong


def main() -> None:
    """Parses the command line."""
    every = [each.name for each in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.scenarios", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Only these: {', '.join(every)}.", default=every)
    parser.add_argument("--publish", action="store_true", help="Write the table, and take the pictures.")
    asked = parser.parse_args()
    if asked.publish and chromium() is None:
        sys.exit("no Chromium was found on PATH")
    _FILES.mkdir()
    try:
        sys.exit(not asyncio.run(run(asked.names, publish=asked.publish)))
    finally:
        shutil.rmtree(_FILES)


if __name__ == "__main__":
    main()
