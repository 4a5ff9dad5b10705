"""HTTP proxies for tests: one of our own that sees every byte, and the tinyproxy of this machine."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.service import eventually, free_port

#: In an answer, for a person of the tests; never shown by the service.
_ANSWER = b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n"


@dataclass
class HttpProxy:
    """Forwards CONNECT and requests in absolute form, or answers something of its own.

    Attributes:
        says: what is answered to every request instead of forwarding it; nothing at all if it is empty.
        heads: the head of the first request of each connection.
    """

    says: bytes | None = None
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, login: str) -> str:
        """The address for one who logs in."""
        return f"http://{login}@127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Resets every connection."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.says is not None:
            writer.write(self.says)
            await writer.drain()
            if self.says:
                return
            await reader.read()
        host, port = _target(head)
        # Servers are sent the origin form. That a head is cut in two does not happen here.
        absolute, origin = f"POST http://{host}:{port}".encode(), b"POST "
        api_reader, api_writer = await asyncio.open_connection(host, port)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            api_writer.write(head.replace(absolute, origin))
        both = {writer, api_writer}
        self._open |= both
        try:
            await asyncio.gather(_relay(reader, api_writer, absolute, origin), _relay(api_reader, writer))
        finally:
            self._open -= both
            api_writer.transport.abort()


def answering(status: int) -> bytes:
    """An answer without a body."""
    return _ANSWER % status


def _target(head: bytes) -> tuple[str, int]:
    found = re.match(rb"[A-Z]+ (?:http://)?([^/: ]+):(\d+)", head)
    assert found, head
    return found[1].decode(), int(found[2])


async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter, old: bytes = b"", new: bytes = b"") -> None:
    while data := await source.read(65_536):
        sink.write(data.replace(old, new) if old else data)
        await sink.drain()
    raise EOFError


@asynccontextmanager
async def http_proxy(says: bytes | None = None) -> AsyncIterator[HttpProxy]:
    """Runs a proxy of our own while entered."""
    proxy = HttpProxy(says)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()


@asynccontextmanager
async def behind_tls(context: ssl.SSLContext, port: int) -> AsyncIterator[str]:
    """The server at `port` of this machine as one that speaks TLS. Yields its address, ``https://localhost:port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(_relay(reader, plain_writer), _relay(plain_reader, writer))
            finally:
                plain_writer.transport.abort()
                writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


class Tinyproxy:
    """A real proxy, as a process of its own that may be stopped, started again, and frozen."""

    def __init__(self, program: str, folder: Path, options: tuple[str, ...]) -> None:
        self.port = free_port()
        self._program = program
        self._file = folder / "tinyproxy.conf"
        self._file.write_text(
            "\n".join([f"Port {self.port}", "Listen 127.0.0.1", "LogLevel Critical", "MaxClients 200", *options, ""])
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, login: str) -> str:
        """The address for one who logs in."""
        return f"http://{login}@127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it, and waits until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-d", "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(listens, what="tinyproxy listens", pause=0.005)

    def stop(self) -> None:
        """Kills it: its connections are closed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its connections stay open, and nothing passes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def tinyproxy(folder: Path, *options: str) -> AsyncIterator[Tinyproxy]:
    """Runs a tinyproxy with these lines in its configuration. Skips the test if it is not installed."""
    program = shutil.which("tinyproxy", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("tinyproxy (Debian: tinyproxy) is not installed")
    proxy = Tinyproxy(program, folder, options)
    await proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
