"""Writes the log in a thread of its own, so that a reader that does not read holds up nothing. No library."""

import io
import os
import select
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

#: Bytes of lines that wait for their reader: about 500 lines, ten times what a start writes. More lines are dropped.
_MOST_BYTES = 64 * 1024


class Writer(io.TextIOBase):
    """A text stream onto a descriptor. Writing never blocks and never raises: what cannot be written is counted.

    The descriptor is not made non-blocking: other processes may share it, and theirs would become so too.

    Args:
        descriptor: such as 2, standard error. It may be closed later.
        encoding: of the terminal, if it is one. Characters that it lacks are written as escapes.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor = os.dup(descriptor)
        self._encoding = encoding
        # Its `put` may be interrupted by another one in the same thread, as when a destructor logs.
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        # Bytes. Only callers change the first, and only the thread the second, so neither needs a lock.
        self._given = self._done = 0
        # Lines. The same holds for these two.
        self._refused = self._failed = 0
        self._reported = 0
        self._failing = False
        self._torn = False
        threading.Thread(target=self._work, name="log", daemon=True).start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The name of the encoding."""
        return self._encoding

    @property
    def dropped(self) -> int:
        """How many lines were dropped so far."""
        return self._refused + self._failed

    def writable(self) -> bool:
        """True: what does not fit is dropped."""
        return True

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Passes `text` to the thread, or drops it if too much waits there already."""
        data = text.encode(self._encoding, "backslashreplace")
        if self._given - self._done >= _MOST_BYTES:  # so even a traceback that is longer than that is taken
            self._refused += text.count("\n")
        else:
            self._given += len(data)
            self._lines.put(data)
        return len(text)

    def drain(self, seconds: float) -> None:
        """Waits until everything is written, for this long at most."""
        deadline = time.monotonic() + seconds
        while self._done != self._given and time.monotonic() < deadline:
            time.sleep(0.002)

    def unreported(self) -> int:
        """How many lines were dropped since the last call; 0 while lines still cannot be written."""
        if self._failing or self._done != self._given:
            return 0
        before, self._reported = self._reported, self.dropped
        return self._reported - before

    def _work(self) -> None:
        while True:
            data = self._lines.get()
            self._failing = not self._written(data)
            if self._failing:
                self._failed += data.count(b"\n")
            self._done += len(data)

    def _written(self, data: bytes) -> bool:
        """Whether all of it was written. A line after one that was written in part begins on a line of its own."""
        rest = b"\n" + data if self._torn else data
        with suppress(OSError):
            while rest:
                rest = rest[write_some(self._descriptor, rest) :]
                self._torn = bool(rest)
        return not rest


def write_some(descriptor: int, data: bytes | memoryview) -> int:
    """Writes the beginning of `data`, and waits until that is possible. Returns how many bytes were written.

    Raises:
        OSError: the descriptor takes nothing more.
    """
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:  # another process that shares the descriptor has made it non-blocking
            select.select((), (descriptor,), ())
