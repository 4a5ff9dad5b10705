"""A terminal for a command: what its screen shows. It knows the few control sequences that the commands use."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from typing import Self

from tests.support.processes import Fork

_PARTS = re.compile(r"\x1b\[(?P<number>\??[\d;]*)(?P<letter>[A-Za-z])|(?P<text>[^\x1b]+)")


class Terminal:
    """A terminal in which `forwarder ARGUMENTS` runs, while entered.

    Attributes:
        process: the command.
        written: everything that it has written so far.
        alternate: whether the screen is shown that hides what was on the terminal before.
        cursor: whether the cursor is shown.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], *, width: int, height: int) -> None:
        self._outside, inside = os.openpty()
        os.set_blocking(self._outside, False)
        self.written = ""
        self.alternate, self.cursor = False, True
        self._place = (0, 0)
        self._set_size(width, height)
        self.process = Fork(arguments, environment, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        os.close(self._outside)

    def resize(self, width: int, height: int) -> None:
        """Gives the window another size, as a person does who pulls at its corner."""
        self._set_size(width, height)
        self.process.send_signal(signal.SIGWINCH)

    def lines(self) -> list[str]:
        """What the screen shows now, from above."""
        with contextlib.suppress(BlockingIOError, OSError):  # nothing new, or the command has ended
            while data := os.read(self._outside, 65_536):
                text = data.decode()
                self.written += text
                for part in _PARTS.finditer(text):
                    self._obey(part["number"] or "", part["letter"] or "", part["text"] or "")
        return ["".join(row).rstrip() for row in self._rows]

    def _set_size(self, width: int, height: int) -> None:
        fcntl.ioctl(self._outside, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self._width, self._height = width, height
        self._rows = [[" "] * width for _ in range(height)]

    def _obey(self, number: str, letter: str, text: str) -> None:
        match letter, number:
            case "H", _:
                row, column = (int(each or 1) for each in (number or "1;1").split(";"))
                self._place = min(row, self._height) - 1, min(column, self._width) - 1
            case "h" | "l", "?1049":
                self.alternate = letter == "h"
                self._rows = [[" "] * self._width for _ in range(self._height)]
            case "h" | "l", "?25":
                self.cursor = letter == "h"
        for char in text:
            self._put(char)

    def _put(self, char: str) -> None:
        row, column = self._place
        if char == "\r":
            self._place = row, 0
        elif char == "\n":
            self._down()
        else:
            if column == self._width:
                self._down()
                row, column = self._place[0], 0
            self._rows[row][column] = char
            self._place = row, column + 1

    def _down(self) -> None:
        row, column = self._place
        if row == self._height - 1:
            self._rows = [*self._rows[1:], [" "] * self._width]
            row -= 1
        self._place = row + 1, column
