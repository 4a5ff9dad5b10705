"""Prints dead letters as a table that fits the terminal: a line for each, and no word is broken."""

import textwrap
import time
from collections.abc import AsyncIterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from forwarder.cli.output import out
from forwarder.dead_letters.letter import count_of, order
from forwarder.event import name_of
from forwarder.logs.printable import visible
from forwarder.queue.letters import DeadLetter

_HEAD = ("ID", "AGE", "REASON", "USER", "NAME", "DETAIL")
_STYLES = ("bold", "dim", "default", "cyan", "default", "dim")
_GAP = "  "
#: Columns are as wide as the first letters need. Those are held back until they are known.
_FIRST = 100
#: A user or a name takes at most this many columns, and at least this many on a narrow terminal.
_WIDEST, _NARROWEST = 40, 8
#: A detail is shown if there is room for this many columns of it.
_SOME_DETAIL = 24
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age(letter_id: str, now: float) -> str:
    """How long an event has been a dead letter, such as ``2 h``."""
    seconds = max(0.0, now - order(letter_id)[0] / 1e3)
    return next((f"{seconds / unit:.0f} {name}" for unit, name in _AGES if seconds >= unit), f"{seconds:.0f} s")


async def print_table(found: AsyncIterator[DeadLetter]) -> int:
    """Prints one line per letter, below a heading. Returns how many letters there are."""
    now, count = time.time(), 0
    held: list[Sequence[str]] = []
    widths: Sequence[int] = ()
    async for letter in found:
        count += 1
        cells = _cells(letter, now)
        if widths:
            _print(cells, widths)
            continue
        held.append(cells)
        if count == _FIRST:
            widths = _print_first(held)
    if not widths and held:
        _print_first(held)
    return count


def end_of_list(shown: int, matching: int | None) -> str:
    """The last line of a list: how many of the letters that match it shows."""
    if matching is None:
        return f"{count_of(shown)}, and perhaps more that match"
    return count_of(shown) if shown == matching else f"{shown:,} of {count_of(matching)}"


def _cells(letter: DeadLetter, now: float) -> Sequence[str]:
    reason = f"{letter.reason} {letter.status}".rstrip()
    user, name = letter.user_id or "-", name_of(letter.element) or "-"
    return (letter.id, age(letter.id, now), *map(visible, (reason, user, name, letter.detail)))


def _print_first(rows: Sequence[Sequence[str]]) -> Sequence[int]:
    widths = _widths(rows)
    _print(_HEAD, widths, "dim")
    for cells in rows:
        _print(cells, widths)
    return widths


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns of each cell but the detail, which has the rest."""
    widths = [max(map(cell_len, column)) for column in zip(_HEAD[:-1], *(row[:-1] for row in rows), strict=True)]
    user, name = len(widths) - 2, len(widths) - 1
    widths[user], widths[name] = min(widths[user], _WIDEST), min(widths[name], _WIDEST)
    if out.is_terminal:
        too_many = sum(widths) + len(_GAP) * (len(widths) - 1) - out.width
        while too_many > 0 and max(widths[user:]) > _NARROWEST:
            widths[user if widths[user] > widths[name] else name] -= 1
            too_many -= 1
    return widths


def _print(cells: Sequence[str], widths: Sequence[int], style: str = "") -> None:
    line = Text()
    for cell, width, own in zip_longest(cells[:-1], widths, _STYLES[:-1], fillvalue=0):
        line.append(_cut(str(cell), int(width)) + _GAP, style or str(own))
    line.append(_detail(cells[-1], out.width - cell_len(line.plain)), style or _STYLES[-1])
    line.rstrip()
    out.print(line, soft_wrap=True)


def _cut(text: str, width: int) -> str:
    """As wide as its column; where nobody reads it on a screen, it is never cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if out.is_terminal else text


def _detail(text: str, room: int) -> str:
    """Whole where nobody reads it on a screen; otherwise as many whole words as fit."""
    if not out.is_terminal:
        return text
    return textwrap.shorten(text, room, placeholder="…") if room >= _SOME_DETAIL else ""
