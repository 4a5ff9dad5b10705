"""The unit: systemd takes it, it shuts the service in, and the service can work when it is shut in so."""

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder import config
from forwarder.cli.options import EXIT_CONFIGURATION, EXIT_HALTED
from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.simulator import Simulator
from tests.support.service import WorkerProcess, command, environment, event, settings, settled

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNIT = UNITS / "forwarder.service"
ERASE = UNITS / "forwarder-erase.service"
#: `systemd-analyze security` rates from 0.0 (shut in) to 10.0 (open); it calls up to 2.0 "OK". Its option wants tenths.
MOST_EXPOSURE = 15

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: systemd)"
)


def values(name: str, unit: Path = UNIT) -> list[str]:
    """What the unit sets `name` to, line by line."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    for each in UNITS.iterdir():
        (tmp_path / each.name).write_text(each.read_text().replace("/opt/forwarder/bin/forwarder", "/bin/true"))
    unit = tmp_path / UNIT.name
    result = analyze("verify", *(str(each) for each in tmp_path.iterdir()))
    # Of other units on this machine it also complains.
    assert [line for line in (result.stdout + result.stderr).splitlines() if "forwarder" in line] == []
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchDogSec"))
    assert "WatchDogSec" in analyze("verify", str(unit)).stderr, "it would say so"


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, ERASE], ids=lambda unit: unit.stem)
def test_the_service_is_shut_in(unit: Path) -> None:
    result = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(unit))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Overall exposure level" in result.stdout


def test_it_waits_for_the_service_longer_than_the_service_takes() -> None:
    (stop,), (watchdog,) = values("TimeoutStopSec"), values("WatchdogSec")
    assert float(stop) >= config.load({}).drain_timeout + 10
    assert float(watchdog) >= 10, "a machine that swaps is no reason to restart"


def test_it_restarts_for_ever_but_not_what_only_a_person_can_mend() -> None:
    assert values("Restart") == ["always"]
    assert values("StartLimitIntervalSec") == ["0"]
    (codes,) = values("RestartPreventExitStatus")
    assert {int(code) for code in codes.split()} == {EXIT_HALTED, EXIT_CONFIGURATION}


def test_its_settings_exist_and_its_secrets_are_credentials() -> None:
    given = dict(line.split("=", 1) for line in values("Environment"))
    ours = {name: value for name, value in given.items() if name.startswith(config.PREFIX)}
    assert set(ours) <= {name for name, _, _ in config.documented()}
    credentials = {line.split(":")[0] for line in values("LoadCredential")}
    assert {value.removeprefix("%d/") for value in ours.values()} == credentials


async def test_every_day_the_letters_of_erased_users_go_and_no_others(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    for reason in ("erased", "rejected", "erased"):
        await redis_client.xadd(Keys(queue_name).dead, {"element": event("u", 1), "reason": reason})
    (started,) = values("ExecStart", ERASE)
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}
    code, out, err = await command(*started.split()[1:], environment=given)
    assert (code, "deleted 2 dead letters" in out + err) == (0, True)
    assert [each.reason async for each in ListLetters(redis_client, Keys(queue_name)).all()] == ["rejected"]


def system_calls(*names: str) -> set[str]:
    """The system calls that systemd's names for groups of them stand for."""
    found = set()
    for name in names:
        for line in analyze("syscall-filter", name).stdout.splitlines()[1:]:
            match line.strip():
                case "":
                    pass
                case comment if comment.startswith("#"):
                    pass
                case group if group.startswith("@"):
                    found |= system_calls(group)
                case call:
                    found.add(call)
    return found


class Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def shut_in() -> Callable[[], None]:
    """Does to a process what SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute of the unit do."""
    seccomp, libc = ctypes.CDLL("libseccomp.so.2"), ctypes.CDLL(None)
    allow, deny = values("SystemCallFilter")
    assert deny.startswith("~")
    calls = system_calls(*allow.split()) - system_calls(*deny[1:].split())
    assert len(calls) > 200, calls
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(0x00050001))  # everything fails with EPERM

    def permit(call: str, *comparisons: Comparison) -> None:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        array = (Comparison * len(comparisons))(*comparisons)
        if number >= 0:
            assert seccomp.seccomp_rule_add_array(rules, 0x7FFF0000, number, len(comparisons), array) == 0

    for call in calls - {"socket"}:
        permit(call)
    for family in values("RestrictAddressFamilies")[0].split():
        permit("socket", Comparison(0, 4, getattr(socket, family)))

    def apply() -> None:
        libc.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE: since Linux 6.3, without it only the filter is tried
        if seccomp.seccomp_load(rules) != 0:
            os._exit(99)

    return apply


@needs_systemd
@pytest.mark.skipif(sys.platform != "linux" or find_library("seccomp") is None, reason="no libseccomp")
async def test_the_service_works_with_the_system_calls_that_it_is_left(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, tmp_path: Path
) -> None:
    # By name: glibc, which resolves it, would like a kind of socket that it does not get.
    url = api.url.replace("127.0.0.1", "localhost")
    given = environment(settings(redis_url, queue_name, api, api_url=url))
    process = WorkerProcess(given, tmp_path / "log", first=shut_in())
    try:
        await redis_client.rpush(queue_name, *[event(f"u{n}", n) for n in range(20)])
        await process.admin()
        await settled(redis_client, queue_name)
        assert "Seccomp:\t2" in Path(f"/proc/{process.process.pid}/status").read_text()
        assert await process.stopped() == 0
    finally:
        process.kill()
    assert api.ledger.accepted_events == 20
