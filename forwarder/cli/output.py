"""Prints for people and scripts: problems to standard error, everything else to standard output."""

import sys

import msgspec
from rich.console import Console
from rich.text import Text

from forwarder.cli.streams import write_bytes
from forwarder.errors import DeniedError, ForwarderError, UnreachableError
from forwarder.logs.journal import leads_there, with_priority
from forwarder.logs.printable import breaks, followed, visible_lines
from forwarder.logs.redaction import hidden

#: At most this many problems of one kind are printed.
_PRINTED = 20

# Without markup: square brackets in data are not tags.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def as_line(value: object) -> None:
    """Prints JSON on one line."""
    write_bytes(msgspec.json.encode(value) + b"\n")


def say(text: str | Text, to: Console = out) -> None:
    """Prints a sentence: on a terminal in lines that end between words, elsewhere in one line for `grep`.

    No word is cut, so that addresses and commands can be copied.
    """
    said = Text(text) if isinstance(text, str) else text
    for line in said.divide(breaks(said.plain, to.width) if to.is_terminal else ()):
        line.rstrip()
        to.print(line, soft_wrap=True)


def problem(text: str) -> None:
    """Prints what went wrong. `text` may quote Redis, a file or a program."""
    said = visible_lines(hidden(text))
    if leads_there(sys.stderr):
        say(with_priority(f"forwarder: {said}", "error"), to=err)
    else:
        say(Text("forwarder: ", "bold red").append(said, "default"), to=err)


def with_remedy(error: ForwarderError) -> str:
    """What went wrong, and what to do about it."""
    match error:
        case DeniedError():
            return followed(str(error), error.remedy)
        case UnreachableError(__cause__=Exception()):  # a client of Redis failed, not the demo's own Redis
            return f"{error} (FORWARDER_REDIS_URL)"
    return str(error)


class Problems:
    """Prints the first twenty problems of one kind.

    Args:
        and_more: printed once instead of the problems after these.
    """

    def __init__(self, and_more: str) -> None:
        self._and_more = and_more
        self._found = 0

    def add(self, text: str) -> None:
        """Prints a problem, unless twenty have been printed."""
        self._found += 1
        if self._found <= _PRINTED:
            problem(text)
        elif self._found == _PRINTED + 1:
            problem(self._and_more)
