"""What the commands share of their output. Problems go to standard error; everything else to standard output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.text import Text

from forwarder.errors import ConfigurationError
from forwarder.logs.printable import visible_lines
from forwarder.logs.redaction import hidden

#: Problems of one kind that are printed one by one. Further ones are only counted.
_PRINTED = 20

# Without markup: brackets in what Redis or a file holds are not tags.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def as_line(value: object) -> None:
    """Prints JSON on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def problem(text: str) -> None:
    """Prints something that went wrong; `text` may quote what Redis, a file or a program has said."""
    said = visible_lines(hidden(text))
    err.print(Text("forwarder: ", "bold red").append(said, "default"), soft_wrap=True)


class Problems:
    """Prints the first twenty problems of a kind.

    Args:
        and_more: printed once instead of all further ones.
    """

    def __init__(self, and_more: str) -> None:
        self._and_more = and_more
        self._found = 0

    def add(self, text: str) -> None:
        """Prints one more problem, unless twenty were printed."""
        self._found += 1
        if self._found <= _PRINTED:
            problem(text)
        elif self._found == _PRINTED + 1:
            problem(self._and_more)


@contextmanager
def written() -> Iterator[None]:
    """Flushes what is written to standard output within.

    Raises:
        ConfigurationError: not all of it could be written.
        BrokenPipeError: its reader has gone.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would fail once more, with a traceback, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigurationError([f"cannot write to standard output: {error.strerror or error}"]) from error
