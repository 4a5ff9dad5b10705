"""A forked `forwarder` behaves like one that a shell has started."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.processes import Fork
from tests.support.service import WorkerProcess, command, eventually, fresh_command


@pytest.mark.parametrize("arguments", ["--help", "dead list --nonsense", "push /nowhere", "dead replay"])
async def test_it_says_the_same_and_ends_the_same(arguments: str) -> None:
    given = {"FORWARDER_REDIS_URL": "redis://127.0.0.1:1/0"}
    forked = await command(*arguments.split(), environment=given)
    assert forked == await fresh_command(*arguments.split(), environment=given)


async def test_it_reads_standard_input_and_ends_though_not_all_of_it_was_read() -> None:
    given = {"FORWARDER_REDIS_URL": "redis://127.0.0.1:1/0"}
    code, _, err = await command("push", "-", environment=given, stdin=b'{"user_id":"u","name":"n"}\n' * 1_000_000)
    assert (code, "refused the connection" in err) == (1, True), err


async def test_it_has_the_given_environment_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORWARDER_SHARDS", "nonsense")
    given = {"COLUMNS": "200", "FORWARDER_REDIS_URL": "http://nowhere"}
    with (tmp_path / "out").open("wb") as out:
        process = Fork(["status"], given, stdin=0, stdout=out.fileno(), stderr=out.fileno())
    assert await process.ended() == 78
    said = (tmp_path / "out").read_text()
    assert ("FORWARDER_REDIS_URL" in said, "FORWARDER_SHARDS" in said) == (True, False), said


async def test_a_signal_that_ends_it_is_its_exit_code(tmp_path: Path) -> None:
    process = WorkerProcess({"FORWARDER_API_KEY": "k", "FORWARDER_ADMIN_PORT": "0"}, tmp_path / "log")
    await process.admin()
    assert process.process.poll() is None
    assert await process.stopped(signal.SIGUSR1) == -signal.SIGUSR1
    assert process.process.returncode == -signal.SIGUSR1
    process.process.terminate()  # as that of Popen: nothing happens


async def test_many_at_once_are_told_apart(tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}" for number in range(5)]
    workers = [WorkerProcess({"FORWARDER_API_KEY": "k", "FORWARDER_ADMIN_PORT": "0"}, log) for log in logs]
    addresses = await asyncio.gather(*(each.admin() for each in workers))
    assert len(set(addresses)) == len({each.process.pid for each in workers} | {os.getpid()}) - 1 == 5
    for each in workers:
        each.kill()
    await eventually(lambda: all(each.process.poll() == -signal.SIGKILL for each in workers))
