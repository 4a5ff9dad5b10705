"""The demo as a newcomer runs it, and what it leaves behind: nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import eventually, fetch, fresh_command


@pytest.mark.parametrize(
    ("faults", "width"),
    [pytest.param((), 60, id="fair weather", marks=pytest.mark.long), pytest.param(("--faults",), 80, id="faults")],
)
async def test_the_demo_ends_with_every_check_held(faults: tuple[str, ...], width: int, tmp_path: Path) -> None:
    given = {"TMPDIR": str(tmp_path), "COLUMNS": str(width)}
    code, out, err = await fresh_command("demo", "--events", "1000", *faults, environment=given)
    assert (code, err) == (0, ""), out
    assert out.count("✔") == 5
    assert "✘" not in out
    assert max(map(len, out.splitlines())) <= width
    said = " ".join(out.split())
    if faults:
        assert "All 990 good events arrived, and no others" in said
        assert "10 dead letters: the 5 events without a name and the 5 that the API refused" in said
    else:
        assert "All 1,000 events arrived, and no others" in said
        assert "No event became a dead letter" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_and_its_like_leave_no_process_and_no_file_behind(number: int, tmp_path: Path) -> None:
    process = _demo(tmp_path)
    await eventually(lambda: len(_children(process.pid)) >= 2, what="its redis-server and its stand-in run")
    children = _children(process.pid)
    process.send_signal(number)
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 128 + number, (out, err)
    assert (out.count(b"interrupted: "), err) == (1, b"")
    await eventually(lambda: not any(_runs(pid) for pid in children), what="its children are gone")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
async def test_a_stand_in_that_dies_ends_the_demo_with_a_word_instead_of_hanging(tmp_path: Path) -> None:
    process = _demo(tmp_path)
    assert process.stdout is not None
    # Before it serves, its end is that of a start that failed; what hung was the end of one at work.
    while b" s  " not in (line := await asyncio.to_thread(process.stdout.readline)):
        assert line
    pid = _stand_in(process.pid)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert (process.returncode, b"the stand-in API" in err) == (1, True), (out, err)
    assert list(tmp_path.iterdir()) == []


async def test_a_demo_that_is_killed_takes_its_children_with_it(tmp_path: Path) -> None:
    process = _demo(tmp_path)
    await eventually(lambda: _stand_in(process.pid) is not None, what="its redis-server and its stand-in run")
    children = _children(process.pid)
    process.kill()
    await asyncio.to_thread(process.communicate, timeout=20)
    await eventually(lambda: not any(_runs(pid) for pid in children), what="its children are gone")


@pytest.mark.long
async def test_keep_ends_with_commands_that_work_when_they_are_copied(tmp_path: Path) -> None:
    process = _demo(tmp_path, "--events", "500", "--keep")
    lines: list[str] = []
    assert process.stdout is not None
    while not lines or not lines[-1].startswith("  kill "):
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, lines
        lines.append(line.decode().rstrip("\n"))
    *start, hello, ledger, page, refused, letters, stop = [line[2:] for line in lines if line.startswith("  ")][-8:]
    assert all(len(line) <= 60 for line in lines if line.startswith("  ") and "alias" not in line), lines

    async def bash(*commands: str) -> str:
        script = "\n".join(["shopt -s expand_aliases", *(line for line in start if "=" in line), *commands])
        ran = await asyncio.create_subprocess_exec("bash", "-ec", script, stdout=subprocess.PIPE)
        out, _ = await ran.communicate()
        assert ran.returncode == 0, commands
        return out.decode()

    async def accepted() -> bool:
        return bool(json.loads(await bash(ledger))["accepted_events"] == 501)

    async def letter() -> bool:
        return "rejected" in await bash(letters)

    assert (await fetch(page + "readyz"))[0] == 200
    assert (await fetch(page))[0] == 200
    assert "pushed 1 event" in await bash(hello, refused)
    await eventually(accepted, what="the ledger has the event")
    await eventually(letter, what="the refused event is a dead letter")
    await bash(stop)
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


def _stand_in(pid: int) -> int | None:
    return next((x for x in _children(pid) if b"simulate" in Path(f"/proc/{x}/cmdline").read_bytes()), None)


def _runs(pid: int) -> bool:
    # A process that is dead but not waited for by its new parent, pid 1, does not run.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
