"""Reads batches of lines from a file or standard input, until it ends or a signal arrives."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self

from forwarder.cli.lines import DamagedError, Splitter, Unpacker
from forwarder.runtime import signals

#: Seconds without input after which the lines read so far are a batch: those of ``tail -F`` are pushed soon.
_PAUSE = 0.2
#: Bytes read at once. Plain input is cut into pieces of this size, too.
_READ = 64 * 1024
#: Lines and bytes of a batch, which goes to Redis in one round trip for each list.
_MOST_LINES = 1_000
_MOST_BYTES = 1024 * 1024

#: A line without its end; the length of one that is too long for an event.
Line = bytes | int


class Batches:
    """Batches of lines until the end of input, a read error, or a signal that ends a process.

    A signal ends the wait for input at once, but no push: nobody would know whether that push is complete. Lines that
    were read completely are still given. Use it as a context manager, in the main thread.

    Attributes:
        given: how many lines were given.
        consumed: bytes read.
        stopped: why reading stopped before the end of input.
        signal: the signal that arrived.
    """

    def __init__(self, descriptor: int, max_event_bytes: int) -> None:
        self._descriptor = descriptor
        self._unpacker = Unpacker()
        self._splitter = Splitter(max_event_bytes)
        self._woken = asyncio.Event()
        self.given = 0
        self.consumed = 0
        self.stopped: str | None = None
        self.signal: int | None = None

    def __enter__(self) -> Self:
        self._signals = signals.ending()
        for number in self._signals:
            asyncio.get_running_loop().add_signal_handler(number, self._came, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _came(self, number: int) -> None:
        self.signal = number
        self._woken.set()

    async def __aiter__(self) -> AsyncIterator[list[Line]]:
        batch: list[Line] = []
        size = 0
        async for line in self._lines():
            if line is not None:
                batch.append(line)
                size += len(line) if isinstance(line, bytes) else 0
            if batch and (line is None or len(batch) == _MOST_LINES or size >= _MOST_BYTES):
                self.given += len(batch)
                yield batch
                batch, size = [], 0

    async def _lines(self) -> AsyncIterator[Line | None]:
        """The lines; None where the input pauses, and at the end."""
        try:
            async for piece in self._pieces():
                if piece is None:
                    yield None
                    continue
                for line in self._splitter.lines(piece):
                    yield line
            if self.signal is None:
                for line in self._splitter.last():
                    yield line
        except (OSError, DamagedError) as error:
            self.stopped = f"reading stopped: {getattr(error, 'strerror', None) or error}"
        if self.signal is not None:
            self.stopped = "interrupted"
        yield None

    async def _pieces(self) -> AsyncIterator[bytes | None]:
        """The unpacked input; None where it pauses."""
        patience: float | None = None
        while (data := await self._read(patience)) != b"":
            patience = _PAUSE if data is not None else None
            if data is None:
                yield None
                continue
            for piece in self._unpacker.pieces(data):
                yield piece
                await asyncio.sleep(0)  # a signal is noticed
                if self.signal is not None:
                    return
        if self.signal is None:
            yield self._unpacker.end()

    async def _read(self, seconds: float | None) -> bytes | None:
        """What can be read now; empty at the end or after a signal; None after `seconds` without input."""
        while await self._readable(seconds):
            if self.signal is not None:
                return b""
            with suppress(BlockingIOError):  # another reader of this descriptor was faster
                data = os.read(self._descriptor, _READ)
                self.consumed += len(data)
                return data
        return None

    async def _readable(self, seconds: float | None) -> bool:
        """Waits until there is something to read, or a signal, for `seconds` at most."""
        self._woken.clear()
        await asyncio.sleep(0)
        if self.signal is not None:
            return True
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(self._descriptor, self._woken.set)
        except PermissionError:  # a file, which is always ready
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self._woken.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._descriptor)
