"""Builds the image, starts what is shipped, and causes every fault in containers.

`--publish` also writes the table into deploy/README.md.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.programs.containers import images, table
from tests.programs.containers.compose import start_and_stop
from tests.programs.containers.engine import apart, docker, engine
from tests.programs.containers.faults import FAULTS
from tests.programs.containers.playing import play
from tests.programs.containers.stage import Stage

_MODULE = "tests.programs.containers"
_TOOLS = ("dockerd", "docker", "iptables", "ip", "mmdebstrap", "go", "unshare", "setpriv")


async def _build(folder: Path) -> bool:
    async with engine(folder, network=True):
        name = await images.build()
        size = int(await docker("image", "inspect", name, "--format", "{{.Size}}"))
    sys.stdout.write(f"{name} is built: {size / 1e6:.0f} MB on a base of {images.BASE.stat().st_size / 1e6:.0f} MB\n")
    return True


async def _try(folder: Path, names: list[str]) -> bool:
    good, outcomes = True, []
    async with engine(folder, network=False):
        if "compose" in names:
            started = await start_and_stop()
            sys.stdout.write(f"{started}\n")
            good = not started.wrong
        stage = Stage(folder)
        await stage.open()
        try:
            for fault in FAULTS:
                if fault.name in names:
                    outcome = await play(fault, stage)
                    outcomes.append(asdict(outcome))
                    good &= outcome.good
                    sys.stdout.write(f"{fault.name}: {outcome}\n")
                    sys.stdout.flush()
        finally:
            await stage.close()
    (folder / "outcomes.json").write_text(json.dumps(outcomes))
    return good


def _publish(folder: Path) -> None:
    outcomes = [table.Outcome(**each) for each in json.loads((folder / "outcomes.json").read_text())]
    rows = [table.row(fault.title, fault.happens, each) for fault, each in zip(FAULTS, outcomes, strict=True)]
    table.DOCUMENT.write_text(table.inserted(table.DOCUMENT.read_text(), rows))


def _whole(names: list[str], *, publish: bool) -> int:
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        packages = "apt-get install --no-install-recommends docker.io iptables iproute2 mmdebstrap, and Go"
        sys.exit(f"This needs root and {', '.join(_TOOLS)}: {packages}. Not found: {', '.join(missing) or 'root'}")
    images.KEPT.mkdir(parents=True, exist_ok=True)
    if not images.BASE.exists():
        images.make_base()
    if not images.COMPOSE.exists():
        images.make_compose()
    folder = Path(tempfile.mkdtemp(prefix="forwarder-containers-"))
    code = apart(_MODULE, "--phase", "build", str(folder), network=True) or apart(
        _MODULE, "--phase", "try", str(folder), *names, network=False
    )
    if publish and code == 0:
        _publish(folder)
    if code:
        sys.stdout.write(f"the engine's log: {folder}/dockerd.log\n")
        shutil.rmtree(folder / "data", ignore_errors=True)
    else:
        shutil.rmtree(folder)
    return code


def main() -> None:
    """Parses the command line."""
    every = ["compose", *(fault.name for fault in FAULTS)]
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Only these: {', '.join(every)}.")
    parser.add_argument("--publish", action="store_true", help="Write the table; every fault must be caused.")
    parser.add_argument("--phase", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    match asked.phase:
        case ["build", folder]:
            sys.exit(not asyncio.run(_build(Path(folder))))
        case ["try", folder, *names]:
            sys.exit(not asyncio.run(_try(Path(folder), names)))
    if asked.publish and asked.names:
        parser.error("--publish needs every fault: leave out the names")
    sys.exit(_whole(asked.names or every, publish=asked.publish))


if __name__ == "__main__":
    main()
