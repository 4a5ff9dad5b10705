"""A TCP proxy between a worker and its Redis that loses what it is told to lose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Self


class Proxy:
    """Listens on a free port and forwards to `port` of 127.0.0.1.

    Attributes:
        loses: asked before each script that passes, counted from 1 over all connections; when it says so, the
            script runs, and its reply is lost with the connection.
        black_hole: while true nothing is forwarded in either direction; connections stay open.
        scripts: how many scripts have passed.
        lost: how many replies were lost.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._light = asyncio.Event()
        self._light.set()
        self.loses: Callable[[int], bool] = lambda _: False
        self.scripts = 0
        self.lost = 0

    @property
    def black_hole(self) -> bool:
        return not self._light.is_set()

    @black_hole.setter
    def black_hole(self, dark: bool) -> None:
        (self._light.clear if dark else self._light.set)()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self._light.set()
        await self._server.wait_closed()

    def lead_to(self, port: int) -> None:
        """From now on connections lead to another server; the present ones are reset."""
        self._upstream = port
        self.cut()

    def cut(self) -> None:
        """Resets every connection."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        doomed = asyncio.Event()
        both = {writer, upstream_writer}
        self._open |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._commands(reader, upstream_writer, doomed))
                tasks.create_task(self._replies(upstream_reader, writer, doomed))
        except* (OSError, EOFError):
            pass
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _commands(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        async for data in _pieces(source):
            await self._light.wait()
            for _ in range(data.count(b"EVALSHA")):
                self.scripts += 1
                if self.loses(self.scripts):
                    doomed.set()
            sink.write(data)
            await sink.drain()

    async def _replies(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        async for data in _pieces(source):
            await self._light.wait()
            if doomed.is_set():
                self.lost += 1
                raise EOFError
            sink.write(data)
            await sink.drain()


async def _pieces(source: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            yield data
    raise EOFError
