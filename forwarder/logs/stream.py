"""What is written to standard error never fails the process, and a traceback shows no secret. No library."""

import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import TextIO

from forwarder.logs.redaction import hidden


class Unfailing:
    """A stream that never raises: a full disk or a reader that is gone costs log lines, never events.

    Args:
        stream: None if the process was started without a standard error.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes `text`, if the stream takes it."""
        with suppress(OSError, ValueError):  # ValueError: closed
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Passes on what was written, if the stream takes it."""
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream is not None and not self._stream.closed and self._stream.isatty()


def hide_in_tracebacks() -> None:
    """Makes Python print an exception that nobody has caught without secrets."""
    sys.excepthook = _print_hidden


def _print_hidden(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    Unfailing(sys.stderr).write(hidden("".join(traceback.format_exception(error))))
