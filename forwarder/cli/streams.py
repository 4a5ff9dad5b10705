"""Standard output and standard error that never end a command in a traceback."""

import io
import os
import sys
from collections.abc import Callable
from typing import TextIO, cast

from forwarder.errors import OutputError, ReaderGoneError
from forwarder.logs.writer import Writer, write_some

#: Seconds that the last lines of the log may take. A reader that is alive needs milliseconds.
_LAST_LINES = 2.0


def set_up() -> None:
    """Makes both streams safe. Call it first, as libraries keep what they find.

    - A character that the terminal cannot show is written as an escape.
    - What standard output does not take raises :class:`OutputError`; what standard error does not take is lost.
    - Descriptors 0, 1 and 2 are open, so no socket gets the number of one of them.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_RDWR)):
        _keep_open(number, mode)
    sys.stdout = _text(sys.stdout, 1, _failed)
    sys.stderr = _text(sys.stderr, 2, lambda _: None)


def finish() -> None:
    """Writes what is left.

    Raises:
        OutputError: standard output does not take all of it.
    """
    if isinstance(sys.stderr, Writer):
        sys.stderr.drain(_LAST_LINES)
    sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """Writes to standard output, whatever the encoding of the terminal."""
    sys.stdout.flush()  # what was written as text comes first
    sys.stdout.buffer.write(data)
    if sys.stdout.line_buffering:
        sys.stdout.buffer.flush()


def _keep_open(number: int, mode: int) -> None:
    """Opens a descriptor if it is closed. Standard output is opened for reading, so that writing to it still fails."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _text(before: TextIO | None, number: int, failed: Callable[[OSError], None]) -> TextIO:
    """The stream of a descriptor, like the one that Python made."""
    encoding = before.encoding if before is not None else "utf-8"  # None: the descriptor was closed
    at_once = isinstance(before, io.TextIOWrapper) and (before.line_buffering or before.write_through)
    stream = io.BufferedWriter(cast("io.RawIOBase", _Descriptor(number, failed)))
    return io.TextIOWrapper(stream, encoding, "backslashreplace", line_buffering=at_once)


class _Descriptor(io.FileIO):
    """Writes to a descriptor, and calls `failed` with the error if that does not take it."""

    def __init__(self, number: int, failed: Callable[[OSError], None]) -> None:
        super().__init__(number, "wb", closefd=False)
        self._failed = failed

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        try:
            return write_some(self.fileno(), data)
        except OSError as error:
            self._failed(error)
            return len(data)


def _failed(error: OSError) -> None:
    """Raises the error, once: what is still to be written goes nowhere.

    Raises:
        OutputError: always.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if isinstance(error, BrokenPipeError):
        raise ReaderGoneError("nobody reads standard output any more") from error
    raise OutputError(f"cannot write to standard output: {error.strerror or error}") from error
