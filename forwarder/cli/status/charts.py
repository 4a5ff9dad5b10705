"""Small charts of one line each: how the backlog and the rate changed in the last 15 minutes. Pure."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich.text import Text

from forwarder.cli.layout import Paper, table
from forwarder.queue.totals import Totals

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-:=+*#"
#: Seconds that a chart goes back.
_SECONDS = 900.0
#: Seconds of a column at least, so that each one has a value though the totals are kept every 15 s.
_COLUMN = 20.0
#: Columns that stand beside a chart: `accepted/s` and `highest 1,000,000`, with space between them.
_BESIDE = 32
#: A chart with fewer columns says nothing. After a start, that is so for two minutes.
_LEAST = 6


def spark(values: Sequence[float | None], paper: Paper) -> str:
    """One character for each value: the lowest for 0 alone, the highest for the largest, a space for an unknown one."""
    levels = _BLOCKS if paper.unicode else _ASCII
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(" " if value is None else levels[_level(value / top, len(levels) - 1)] for value in values)


def _level(part: float, highest: int) -> int:
    return min(highest, 1 + int(part * highest)) if part > 0 else 0


def means(points: Iterable[tuple[float, float | None]], columns: int, seconds: float) -> list[float | None]:
    """The mean value in each equal part of the last `seconds`, oldest first; None where there is none.

    A point is how many seconds ago something was, and the value then.
    """
    found: list[list[float]] = [[] for _ in range(columns)]
    for age, value in points:
        if value is not None and 0 <= age < seconds:
            found[columns - 1 - int(age * columns / seconds)].append(value)
    return [sum(each) / len(each) if each else None for each in found]


def drawn(past: Sequence[Totals], paper: Paper) -> list[Text]:
    """The chart of the backlog and the one of the rate; none if little is known, or if there is no room.

    `past` is what the queue added up to, oldest first; the last one is the present.
    """
    if not past:
        return []
    now = past[-1].at
    minutes = round(min(_SECONDS, max(now - each.at for each in past)) / 60)
    columns = min(int(minutes * 60 / _COLUMN), (paper.width or 80) - _BESIDE)
    if columns < _LEAST:
        return []
    backlog = [(now - each.at, float(each.backlog)) for each in past]
    accepted = [(now - after.at, _rate(before, after)) for before, after in pairwise(past)]
    rows = []
    for name, points in (("backlog", backlog), ("accepted/s", accepted)):
        values = means(points, columns, 60.0 * minutes)
        highest = max((value for value in values if value is not None), default=0.0)
        rows.append([Text(name), Text(spark(values, paper), "cyan"), Text(f"highest {highest:,.0f}", "dim")])
    return [Text(f"in the last {minutes} minutes", "dim"), *table(rows)]


def _rate(before: Totals, after: Totals) -> float | None:
    """Events accepted per second; None if Redis went back in time."""
    grown, seconds = after.accepted - before.accepted, after.at - before.at
    return grown / seconds if grown >= 0 and seconds > 0 else None
