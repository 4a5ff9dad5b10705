"""A terminal that shows lines in place: like `top`, beside what was on the terminal before, and without flicker."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.segment import Segment
from rich.text import Text

from forwarder.retry import wait_at_most

#: Seconds between two drawings, so that ages go on.
_PERIOD = 1.0


class Screen:
    """The whole terminal, while entered.

    Args:
        console: what is drawn on.
        lines: what is drawn, from above; called for each drawing, as the terminal may have another size by then.
    """

    def __init__(self, console: Console, lines: Callable[[], Iterable[Text]]) -> None:
        self._console = console
        self._lines = lines
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._open()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self.redraw)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def redraw(self) -> None:
        """Draws soon."""
        self._changed.set()

    async def keep(self) -> None:
        """Draws every second, and whenever something changes. It does not end."""
        while True:
            self._changed.clear()
            self._draw()
            await wait_at_most(self._changed, _PERIOD)

    def _draw(self) -> None:
        console = self._console
        width, height = console.size
        rows = console.render_lines(Group(*self._lines()), console.options.update(width=width))
        if len(rows) > height:
            more = Text(f"{len(rows) - height + 1} more lines: make the window higher", "dim")
            rows[height - 1 :] = console.render_lines(more)
        rows += [[Segment(" " * width)]] * (height - len(rows))
        console.update_screen_lines(rows)

    def _open(self) -> None:
        self._console.set_alt_screen(enable=True)
        self._console.show_cursor(show=False)

    def _close(self) -> None:
        self._console.show_cursor(show=True)
        self._console.set_alt_screen(enable=False)

    def _suspend(self) -> None:
        """Ctrl-Z: gives the terminal back as it was. It continues here."""
        self._close()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._open()
        self.redraw()
