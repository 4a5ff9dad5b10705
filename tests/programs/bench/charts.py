"""Bars as SVG, readable on light and on dark pages: each brings its own background along."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from tests.programs.bench.report import Median, Report
from tests.programs.bench.work import COMPARED

#: Pixels. The longest name and the longest figure fit beside the longest bar.
_WIDTH, _NAMES, _BAR, _ROW, _HEAD, _EDGE = 840, 380, 350, 26, 44, 12
_STYLE = """
.page { fill: #ffffff }
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.bar { fill: #9aa4b2 } .ours { fill: #2f7ed8 } .limit { fill: #c9d1d9 }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 } text { fill: #e6edf3 } .bar { fill: #6e7887 } .ours { fill: #58a6ff } .limit { fill: #414a55 }
}
"""


@dataclass(frozen=True)
class Bar:
    """One line of a chart."""

    name: str
    value: float
    label: str
    kind: str = "bar"


def bars(title: str, rows: Sequence[Bar]) -> str:
    """One SVG: a title and horizontal bars, the longest as wide as there is room."""
    most = max(row.value for row in rows)
    height = _HEAD + _ROW * len(rows) + _EDGE
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">'
        ),
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="{_EDGE}" y="26">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        top = _HEAD + _ROW * number
        width = max(1.0, row.value / most * _BAR)
        lines += [
            f'<text x="{_NAMES - 10}" y="{top + 14}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect class="{row.kind}" x="{_NAMES}" y="{top}" width="{width:.1f}" height="19" rx="3"/>',
            f'<text x="{_NAMES + width + 8:.1f}" y="{top + 14}">{escape(row.label)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def charts(report: Report) -> dict[str, str]:
    """File names and SVGs; one for each work and rate."""
    found = {}
    shown = [(each.work, each.rate) for each in report.measurements if each.work in COMPARED]
    for work, rate in dict.fromkeys(shown):
        rows = sorted(report.found(work, rate), key=lambda each: each.seconds)
        drawn = [_time_bar(report, each) if rate else _speed_bar(report, each) for each in rows]
        if rate:
            others = [each for each in report.found(work, 0) if each.peer in report.one_by_one]
            drawn += [_time_bar(report, replace(each, seconds=each.events / rate)) for each in others]
        unit = f"time to drain at {rate} POSTs/s" if rate else "events a second, unlimited"
        found[f"{work}-{rate or 'unlimited'}.svg"] = bars(f"{report.works[work]}: {unit}", drawn)
    return found


def _kind(peer: str) -> str:
    return {"forwarder": "ours", "pair": "ours", "limit": "limit"}.get(peer, "bar")


def _speed_bar(report: Report, each: Median) -> Bar:
    speed = each.events_per_second
    return Bar(report.titles[each.peer], speed, f"{speed:,.0f}", _kind(each.peer))


def _time_bar(report: Report, each: Median) -> Bar:
    minutes, seconds = divmod(round(each.seconds), 60)
    label = f"{minutes} min {seconds:02} s" if minutes else f"{each.seconds:.1f} s"
    return Bar(report.titles[each.peer], each.seconds, label, _kind(each.peer))
