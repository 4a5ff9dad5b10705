"""What systemd is told of a service that it has started: the messages of a real one, on a real socket."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.monitor.systemd import Systemd
from forwarder.simulator import Simulator
from tests.support.service import WorkerProcess, event, eventually, settings

Start = Callable[..., WorkerProcess]

#: What systemd waits for a beat in these tests; half of it is the time between two.
WATCHDOG = 0.2


class Manager:
    """The side of systemd: a datagram socket whose address a service finds in its environment."""

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def close(self) -> None:
        self._socket.close()

    def listen(self, within: float = 0.0) -> str:
        """The next message; raises TimeoutError, or at once BlockingIOError, when there is none. Blocks the loop."""
        self._socket.settimeout(within)
        self.heard.append(self._socket.recv(65536).decode())
        return self.heard[-1]

    def all(self) -> list[str]:
        """Every message so far."""
        try:
            while True:
                self.listen()
        except BlockingIOError:
            return self.heard

    def status(self) -> str:
        """The last status."""
        return next((each for each in reversed(self.all()) if each.startswith("STATUS=")), "")

    async def hears(self, *messages: str) -> None:
        await eventually(lambda: set(messages) <= set(self.all()), what=f"{messages} in {self.heard[-5:]}")

    async def hears_more_beats(self) -> None:
        before = self.all().count("WATCHDOG=1")
        await eventually(lambda: self.all().count("WATCHDOG=1") >= before + 3, what="beats")


class Status:
    """What a service says of itself at one look after the other; the last of it from then on."""

    def __init__(self, *texts: str) -> None:
        self._texts = texts
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return self._texts[min(self.asked, len(self._texts)) - 1]


@pytest.fixture(params=["a path", "an abstract address"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "a path" else f"@forwarder-{uuid4().hex}"
    found = Manager(address)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


@pytest.fixture
def at_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


async def test_a_service_says_that_it_is_up_how_it_fares_that_it_lives_and_that_it_stops(
    worker: Start, redis_url: str, queue_name: str, api: Simulator, manager: Manager
) -> None:
    process = worker(settings(redis_url, queue_name, api))
    await manager.hears("READY=1", "STATUS=delivering")
    assert manager.heard[0] == "READY=1"
    await manager.hears_more_beats()
    assert "STOPPING=1" not in manager.heard
    assert await process.stopped() == 0
    assert manager.all().count("STOPPING=1") == 1
    assert manager.heard.count("READY=1") == 1


async def test_a_service_is_up_though_redis_is_gone_because_a_restart_would_not_mend_that(
    worker: Start, own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, at_a_path: Manager
) -> None:
    server = own_redis()
    server.kill()
    process = worker(settings(server.url, queue_name, api))
    await at_a_path.hears("READY=1")
    await eventually(lambda: at_a_path.status().startswith("STATUS=Redis is unavailable. "), what="the status says so")
    await at_a_path.hears_more_beats()
    server.restart()
    await eventually(lambda: at_a_path.status() == "STATUS=delivering", what="the status says that it is over")
    assert await process.stopped() == 0


async def test_a_halt_is_told_and_does_not_stop_the_beats(
    worker: Start, redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, at_a_path: Manager
) -> None:
    api.api_key = "another-one"
    await redis_client.rpush(queue_name, event("u", 1))
    process = worker(settings(redis_url, queue_name, api))
    await eventually(lambda: at_a_path.status().startswith("STATUS=Halted: the API refuses the key. "), what="told")
    await at_a_path.hears_more_beats()
    assert await process.stopped() == 0


async def test_a_halt_that_ends_the_process_ends_it_with_77(
    worker: Start, redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, at_a_path: Manager
) -> None:
    api.api_key = "another-one"
    await redis_client.rpush(queue_name, event("u", 1))
    process = worker(settings(redis_url, queue_name, api, on_halt="exit"))
    await at_a_path.hears("READY=1")
    assert await eventually(process.process.poll, what="it ends") == 77


@pytest.mark.parametrize(("wrong", "code"), [({"lease_ttl": 1.0}, 78), ({"admin_host": "203.0.113.1"}, 1)])
async def test_a_service_that_cannot_start_never_says_that_it_is_up(
    worker: Start, redis_url: str, api: Simulator, at_a_path: Manager, wrong: dict[str, object], code: int
) -> None:
    process = worker(settings(redis_url, "never-used", api).model_copy(update=wrong))
    assert await eventually(process.process.poll, what="it ends") == code
    assert at_a_path.all() == []


async def test_a_frozen_process_does_not_beat_and_goes_on_when_it_wakes(
    worker: Start, redis_url: str, queue_name: str, api: Simulator, at_a_path: Manager
) -> None:
    process = worker(settings(redis_url, queue_name, api), fresh=True)
    await at_a_path.hears("READY=1", "WATCHDOG=1")
    os.kill(process.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.process.pid, os.WSTOPPED)
    at_a_path.all()
    with pytest.raises(TimeoutError):
        at_a_path.listen(within=5 * WATCHDOG)
    os.kill(process.process.pid, signal.SIGCONT)
    await at_a_path.hears_more_beats()


async def test_a_blocked_event_loop_does_not_beat(at_a_path: Manager) -> None:
    async with Systemd(os.environ).notified(lambda: "delivering"):
        await at_a_path.hears_more_beats()
        at_a_path.all()
        with pytest.raises(TimeoutError):
            at_a_path.listen(within=5 * WATCHDOG)  # blocks the loop that the beats come from
        await at_a_path.hears_more_beats()


async def test_sigabrt_of_the_watchdog_leaves_in_the_log_where_the_process_hung(
    worker: Start, redis_url: str, queue_name: str, api: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")  # as the unit does
    process = worker(settings(redis_url, queue_name, api), fresh=True)
    await process.admin()
    assert await process.stopped(signal.SIGABRT) == -signal.SIGABRT
    log = process.log.read_text()
    assert "Fatal Python error: Aborted" in log
    assert "asyncio" in log


def fill(address: str) -> None:
    """Sends until the queue of the receiver is full; that of a sender may be full before."""
    sent = 1
    while sent:
        sent = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, suppress(OSError):
            while sender.sendto(b"X_OF=others", address):
                sent += 1


async def test_what_a_busy_manager_did_not_take_is_said_again(at_a_path: Manager) -> None:
    fill(at_a_path.environment["NOTIFY_SOCKET"])
    status = Status("starting", "delivering")
    patient = {**at_a_path.environment, "WATCHDOG_USEC": "600000000"}  # its next beat would be due in minutes
    async with Systemd(patient).notified(status):
        await eventually(lambda: status.asked >= 2, what="it looks again")
        assert set(at_a_path.all()) == {"X_OF=others"}
        await at_a_path.hears("READY=1", "STATUS=delivering", "WATCHDOG=1")


async def test_a_status_is_one_line_of_a_bounded_length(at_a_path: Manager) -> None:
    async with Systemd(os.environ).notified(lambda: "redis: says\nSTOPPING=1\n" + "é" * 5000):
        await at_a_path.hears_more_beats()
    assert at_a_path.status().startswith("STATUS=redis: says STOPPING=1 éé")
    assert not any("\n" in message or len(message.encode()) > 4096 for message in at_a_path.heard)
    assert "STOPPING=1" not in at_a_path.heard


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1", "/" + "x" * 200, "@" + "x" * 200, "/\0"])
async def test_a_manager_that_cannot_be_told_stops_nothing(address: str) -> None:
    status = Status("starting", "delivering", "halted")
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"})
    async with systemd.notified(status):
        await eventually(lambda: not address or status.asked > 3, what="it goes on looking")
    systemd.stopping()


@pytest.mark.parametrize("watchdog", [None, "0", "soon", "-5", "²", "20000, of process 1"])
async def test_nobody_who_waits_for_no_beats_gets_any(at_a_path: Manager, watchdog: str | None) -> None:
    environment = {"NOTIFY_SOCKET": at_a_path.environment["NOTIFY_SOCKET"]}
    if watchdog is not None:
        microseconds, _, other = watchdog.partition(", of process ")
        environment |= {"WATCHDOG_USEC": microseconds} | ({"WATCHDOG_PID": other} if other else {})
    async with Systemd(environment).notified(Status("starting", "delivering")):
        await at_a_path.hears("STATUS=delivering")
    assert "WATCHDOG=1" not in at_a_path.all()


async def test_the_watchdog_of_this_very_process_is_fed(at_a_path: Manager) -> None:
    async with Systemd({**at_a_path.environment, "WATCHDOG_PID": str(os.getpid())}).notified(lambda: "delivering"):
        await at_a_path.hears_more_beats()
