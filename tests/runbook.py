"""The runbook's commands, taken from the page and run as they stand there."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

RUNBOOK = Path(__file__).parents[1] / "deploy" / "runbook.md"


def sections() -> dict[str, list[str]]:
    """The commands by section, in order; those under `### part` of section `X` belong to `X/part`."""
    found: dict[str, list[str]] = {}
    name, inside = "", False
    for line in RUNBOOK.read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```sh"
        elif inside:
            found[name].append(line)
        elif title := re.match(r"(##|###) (\w+)$", line):
            name = title[2] if title[1] == "##" else f"{name.partition('/')[0]}/{title[2]}"
            found[name] = []
    return found


@dataclass(frozen=True)
class Ran:
    """A command that was run to its end, and all that it printed."""

    command: str
    code: int
    text: str


async def run(section: str, environment: Mapping[str, str], directory: Path) -> list[Ran]:
    """Runs the commands of a section one after the other, as somebody would type them in `directory`.

    `forwarder` is the installed command; skips the test where `redis-cli` is wanted and not installed.
    """
    return [await _run(command, environment, directory) for command in sections()[section]]


async def _run(command: str, environment: Mapping[str, str], directory: Path) -> Ran:
    if command.startswith("redis-cli") and shutil.which("redis-cli") is None:
        pytest.skip("redis-cli (Debian: redis-tools) is not installed")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        command,
        cwd=directory,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ran(command, process.returncode, out.decode())
