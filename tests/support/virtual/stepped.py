"""A real Redis server with a stepped clock: its time is what the test says."""

import mmap
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest.mock import patch

import hiredis
import pytest

from forwarder.demo.redis_server import EmbeddedRedis, find_server

#: 2026-01-01, in seconds since the epoch.
EPOCH = 1_767_225_600
_SOURCE = Path(__file__).with_name("stepped.c")


def why_not() -> str:
    """Why there can be no stepped clock on this machine; nothing if there can be one."""
    return "" if shutil.which("gcc") else "gcc (Debian: gcc, libc6-dev) is not installed"


needs_gcc = pytest.mark.skipif(bool(why_not()), reason=why_not())


@cache
def _library() -> Path:
    built = Path(tempfile.mkdtemp(prefix="fwd-clock-")) / "stepped.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", built, _SOURCE, "-ldl"], check=True)
    return built


class SteppedRedis:
    """A server of its own, over one socket, one command after the other. A round trip takes about 20 µs."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="fwd-")
        clock = Path(self._folder.name) / "clock"
        clock.write_bytes(struct.pack("q", EPOCH * 1_000_000))
        with clock.open("r+b") as file:
            self._clock = mmap.mmap(file.fileno(), 8)
        self.microseconds = EPOCH * 1_000_000
        # Its own cron runs once in a (virtual) second, and rehashes nothing: a hash keeps its order between commands.
        quiet = ["--hz", "1", "--activerehashing", "no"]
        self._server = EmbeddedRedis(server=find_server(), arguments=quiet)
        with patch.dict(os.environ, LD_PRELOAD=str(_library()), VIRTUAL_CLOCK=str(clock)):
            self._server.start()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self._server.url.removeprefix("unix://").removesuffix("?db=0"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
        self._server.kill()  # a SIGTERM is for its cron, which waits for its clock
        self._server.stop()
        self._clock.close()
        self._folder.cleanup()

    def step(self, seconds: float) -> None:
        """Sets the time, in seconds after the epoch, or a microsecond later than ever before: a stamp is unique."""
        self.microseconds = max(self.microseconds + 1, EPOCH * 1_000_000 + round(seconds * 1e6))
        self._clock[:] = struct.pack("q", self.microseconds)

    def exchange(self, requests: bytes, count: int) -> bytes:
        """Sends requests in Redis' protocol, and returns as many replies, as bytes."""
        self._socket.sendall(requests)
        replies, reader = b"", hiredis.Reader()
        while count:
            part = self._socket.recv(65_536)
            assert part, "the server has closed the connection"
            replies += part
            reader.feed(part)
            while count and reader.gets() is not False:
                count -= 1
        return replies

    def command(self, *parts: bytes | str | int) -> object:
        """One command, at the present virtual time."""
        reader = hiredis.Reader()
        reader.feed(self.exchange(packed(parts), 1))
        reply = reader.gets()
        assert not isinstance(reply, hiredis.ReplyError), reply
        return reply


def packed(parts: Sequence[bytes | str | int]) -> bytes:
    """A command in Redis' protocol."""
    return bytes(hiredis.pack_command(tuple(parts)))  # type: ignore[arg-type]
