"""The runbook's commands, taken from the page and run as they stand there."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

RUNBOOK = Path(__file__).parents[3] / "deploy" / "runbook.md"


def bodies() -> dict[str, str]:
    """The text of each section, by the name that a link leads to: "## Redis full" is `#redis-full`."""
    parts = re.split(r"^## (.*)\n", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    return {title.lower().replace(" ", "-"): body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


def sections() -> dict[str, list[list[str]]]:
    """The fenced blocks of commands of each section, in order."""
    blocks = {name: re.findall(r"^```(.*)\n((?:.*\n)*?)^```$", body, re.MULTILINE) for name, body in bodies().items()}
    assert all(language == "sh" for found in blocks.values() for language, _ in found)
    return {name: [text.splitlines() for _, text in found] for name, found in blocks.items()}


@dataclass(frozen=True)
class Ran:
    """A command that was run to its end, and all that it printed."""

    command: str
    code: int
    text: str


def can_be_run() -> None:
    """Skips the test where `redis-cli` is not installed."""
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli (Debian: redis-tools) is not installed")


async def run(commands: Sequence[str], environment: Mapping[str, str], directory: Path) -> list[Ran]:
    """Runs commands one after the other, as somebody would type them in `directory`.

    `forwarder` is the installed command.
    """
    return [await _run(command, environment, directory) for command in commands]


async def _run(command: str, environment: Mapping[str, str], directory: Path) -> Ran:
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
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    # Redis may contain any bytes, and redis-cli prints them as they are.
    return Ran(command, process.returncode, out.decode(errors="replace"))
