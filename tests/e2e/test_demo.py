"""The demo as a newcomer runs it, and what it leaves behind: nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rig import command, eventually, fetch


@pytest.mark.parametrize("faults", [(), ("--faults",)], ids=["fair weather", "faults"])
async def test_the_demo_ends_with_every_check_held(faults: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = await command("demo", "--events", "3000", *faults, environment={"TMPDIR": str(tmp_path)})
    assert (code, err) == (0, ""), out
    assert out.count("✔") == 5
    assert "✘" not in out
    assert "0 of 3,000 good events are missing" in out if not faults else "the 15 without a name, the 15 refused" in out
    assert list(tmp_path.iterdir()) == []


async def test_ctrl_c_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    process = _demo(tmp_path)
    await eventually(lambda: len(_children(process.pid)) >= 2, what="its redis-server and its stand-in run")
    children = _children(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 130, (out, err)
    assert b"Traceback" not in out + err
    await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), what="its children are gone")
    assert list(tmp_path.iterdir()) == []


async def test_keep_leaves_it_running_with_its_addresses_printed(tmp_path: Path) -> None:
    process = _demo(tmp_path, "--events", "500", "--keep")
    lines: list[str] = []
    assert process.stdout is not None
    while not any("/readyz" in line for line in lines):
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, lines
        lines.append(line.decode())
    admin = next(word for line in lines for word in line.split() if "/readyz" in line and word.startswith("http"))
    assert (await fetch(admin + "/readyz"))[0] == 200
    process.send_signal(signal.SIGINT)
    await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def _demo(tmp_path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "forwarder", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []
