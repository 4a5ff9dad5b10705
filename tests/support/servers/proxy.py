"""A TCP proxy between a worker and its Redis that loses replies on request."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, Self

from forwarder.queue.wire import scripts

_EVALSHA = re.compile(rb"EVALSHA\r\n\$40\r\n([0-9a-f]{40})")
#: The names of the scripts by the digest that calls them.
_NAMES = {
    hashlib.sha1(scripts.source(name).encode()).hexdigest().encode(): name
    for script in (files("forwarder.queue") / "lua").iterdir()
    if (name := script.name.removesuffix(".lua")) != script.name
}


@dataclass
class _Line:
    """One connection: whether its next reply is lost or waits, and whether it carries nothing any more."""

    doomed: bool = False
    held: bool = False
    forgotten: bool = False


class Proxy:
    """Listens on a free port and forwards to `port` of 127.0.0.1.

    Attributes:
        loses: called with the number of each script that passes, from 1, over all connections. If it returns true, the
            script runs, and its reply is lost with the connection.
        loses_reply_to: the same, but called with each piece of data that is sent.
        black_hole: while true, nothing is forwarded in either direction; connections stay open.
        scripts: number of scripts that have passed.
        lost: number of replies that were lost.
        reached: set once :meth:`stop_at` has stopped something.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._lines: list[_Line] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._light = asyncio.Event()
        self._light.set()
        self.loses: Callable[[int], bool] = lambda _: False
        self.loses_reply_to: Callable[[bytes], bool] = lambda _: False
        self.scripts = 0
        self.lost = 0
        self.reached = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._stop: tuple[str, str] | None = None

    def stop_at(self, script: str, when: Literal["before", "after"]) -> None:
        """Holds the next call of a script, or its reply, and all that follows on that connection, until go_on()."""
        assert script in _NAMES.values()
        self._stop = (script, when)
        self._going.clear()

    def go_on(self) -> None:
        """Forwards what was stopped."""
        self._going.set()

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
        self._going.set()
        await self._server.wait_closed()
        # Before Python 3.12 this does not wait for connections. If the loop's end cancels them, they log errors.
        if self._serving:
            await asyncio.wait(self._serving, timeout=5)

    def lead_to(self, port: int) -> None:
        """From now on connections lead to another server; the present ones are reset."""
        self._upstream = port
        self.cut()

    def cut(self) -> None:
        """Resets every connection."""
        for writer in tuple(self._open):
            writer.transport.abort()

    def forget(self) -> None:
        """The present connections carry nothing any more, without being closed. New ones work."""
        for line in self._lines:
            line.forgotten = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        line = _Line()
        self._lines.append(line)
        both = {writer, upstream_writer}
        self._open |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._commands(reader, upstream_writer, line))
                tasks.create_task(self._replies(upstream_reader, writer, line))
        except* (OSError, EOFError):
            pass
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _commands(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: _Line) -> None:
        async for data in _pieces(source):
            await self._light.wait()
            if line.forgotten:
                continue
            for digest in _EVALSHA.findall(data):
                self.scripts += 1
                if self.loses(self.scripts):
                    line.doomed = True
                await self._stopped(line, _NAMES[digest])
            if self.loses_reply_to(data):
                line.doomed = True
            sink.write(data)
            await sink.drain()

    async def _stopped(self, line: _Line, script: str) -> None:
        if self._stop is None or self._stop[0] != script:
            return
        (_, when), self._stop = self._stop, None  # the next call, on whatever connection, passes
        if when == "after":
            line.held = True
        else:
            self.reached.set()
            await self._going.wait()

    async def _replies(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: _Line) -> None:
        async for data in _pieces(source):
            await self._light.wait()
            if line.held:
                self.reached.set()
                await self._going.wait()
            if line.doomed:
                self.lost += 1
                raise EOFError
            sink.write(data)
            await sink.drain()


async def _pieces(source: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            yield data
    raise EOFError
