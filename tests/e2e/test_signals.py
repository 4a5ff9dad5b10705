"""Signals from the first moment on, as the first process of a container, and when the terminal closes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.__main__ import main
from forwarder.queue.keys import Keys
from forwarder.simulator import Simulator
from tests.support.documents import ROOT
from tests.support.faults import fault
from tests.support.service import WorkerProcess, event, eventually, settings, settled

Start = Callable[..., WorkerProcess]

#: Runs a program as process 1 of a PID namespace of its own, as a container does.
AS_FIRST = ["unshare", "--pid", "--fork", "--kill-child"]


def can_be_first() -> bool:
    try:
        return subprocess.run([*AS_FIRST, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (proc(5), SigCgt)."""
    found = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def child_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


@pytest.mark.skipif(not can_be_first(), reason="this user may not make a PID namespace")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@fault(
    "process",
    "it is process 1 of a container, and stopped (SIGTERM) in its first second",
    "it ends at once: it handles signals before it imports anything",
    keeps=(1,),
)
async def test_the_first_process_of_a_container_ends_when_it_is_stopped_while_it_starts(number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*AS_FIRST, sys.executable, "-m", "forwarder", "run"), stderr=subprocess.DEVNULL
    )
    try:
        first = await eventually(lambda: child_of(process.pid), pause=0.001)
        await eventually(lambda: handles(first, number), pause=0.001)
        os.kill(first, signal.SIGSTOP)
        assert "hiredis" not in Path(f"/proc/{first}/maps").read_text(), "it has imported nothing yet"
        os.kill(first, number)
        os.kill(first, signal.SIGCONT)
        assert await asyncio.wait_for(process.wait(), 10) == 128 + number
    finally:
        if process.returncode is None:
            process.kill()


def test_the_installed_command_begins_where_signals_are_handled() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"forwarder": f"{main.__module__}:{main.__name__}"}


async def test_a_worker_whose_terminal_closes_stops_in_good_order(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    process = worker(settings(redis_url, queue_name, api))
    await redis_client.rpush(queue_name, event("u", 1))
    await settled(redis_client, queue_name)
    process.process.send_signal(signal.SIGHUP)
    await eventually(lambda: any("stopping" in str(line["event"]) for line in process.lines()), pause=0.001)
    assert await process.stopped(signal.SIGHUP) == 0
    assert not [line for line in process.lines() if "at once" in str(line["event"])], "a shell repeats the signal"
    assert not await redis_client.exists(Keys(queue_name).lease)


async def test_nohup_is_respected_and_variables_meant_for_other_programs_do_no_harm(
    redis_url: str, queue_name: str, api: Simulator, worker: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/no/such/folder")
    process = worker(
        settings(redis_url, queue_name, api, shutdown_timeout=1.0),
        first=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    await process.admin()
    process.process.send_signal(signal.SIGHUP)
    assert await process.stopped(signal.SIGTERM) == 0
    assert any("SHUTDOWN_TIMEOUT: 1 is less" in str(line["event"]) for line in process.lines()), "it is warned of"
    (stopping,) = (line for line in process.lines() if str(line["event"]).startswith("stopping"))
    assert stopping["event"] == "stopping: finishing what is in flight", "one signal was handled, not two"
