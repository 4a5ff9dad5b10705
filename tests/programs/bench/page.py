"""The benchmark's figures as parts of the documents: README.md beside this file, and README.md at the root."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.programs.bench.findings import Finding, sheet
from tests.programs.bench.sheet import Sheet
from tests.programs.bench.work import COMPARED

_OURS = "forwarder"
#: The rate that the API's owner asks for.
_RATE = 120
#: The contestants of the table in README.md at the root: what a reader may already use.
_SUMMARY = (_OURS, "connect", "bullmq", "arq", "celery")

Figures = Mapping[str, Any]


def page(figures: Figures) -> str:
    """Markdown: the machine, a table for each backlog, and what else was measured."""
    machine = figures["machine"]
    lines = [f"On {machine['CPU']}, Python {machine['Python']}, aiohttp {machine['aiohttp']}, {machine['Redis']}.", ""]
    for work, title in figures["works"].items():
        if work in COMPARED:
            lines += [_table(figures, work, title).markdown()]
    lines += [*_facts(figures), ""]
    return "\n".join(lines)


def targets(figures: Figures) -> str:
    """A table of the forwarder's own targets; those that were missed come first."""
    return sheet(Finding(**each) for each in figures["targets"]).markdown()


def summary(figures: Figures) -> str:
    """The first backlog, in short. Contestants with equal figures share a row."""
    rows: dict[Sequence[str], list[str]] = {}
    for peer, (title, _, seconds, posts, _, lost) in _rows(figures, "zipf").items():
        if peer in _SUMMARY:
            rows.setdefault((posts, seconds, lost), []).append(title.partition(",")[0])
    head = ("", "POSTs ÷ fewest possible", f"time at {_RATE} POSTs/s", "lost when killed")
    ranked = sorted(rows.items(), key=lambda row: float(row[0][0]) if row[0][0] != "-" else 0.0)
    return Sheet(head, [(", ".join(names), *cells) for cells, names in ranked]).markdown()


def _table(figures: Figures, work: str, title: str) -> Sheet:
    head = (
        title,
        "events/s",
        f"to drain at {_RATE} POSTs/s",
        "POSTs ÷ fewest",
        "CPU µs per event: worker + Redis",
        "lost when killed",
    )
    return Sheet(head, list(_rows(figures, work).values()))


def _rows(figures: Figures, work: str) -> dict[str, Sequence[str]]:
    """By contestant."""
    found = {(each["peer"], each["rate"]): each for each in figures["medians"] if each["work"] == work}
    killed = {each["peer"]: each for each in figures["killed"]}
    rows: dict[str, Sequence[str]] = {}
    for peer in [peer for peer in figures["titles"] if {(peer, 0), (peer, _RATE)} & set(found)]:
        free, paced = found.get((peer, 0)), found.get((peer, _RATE))
        if free and peer in figures["one_by_one"]:
            paced = {"seconds": free["events"] / _RATE, "posts": free["events"]}
        cells = _cells(figures["optimum_posts"][work], free, paced)
        rows[peer] = (figures["titles"][peer], *cells, _lost(killed.get(peer)))
    return rows


def _cells(fewest: int, free: Figures | None, paced: Figures | None) -> Iterator[str]:
    yield f"{free['events'] / free['seconds']:,.0f}" if free else "-"
    yield _time(paced["seconds"]) if paced else "-"
    yield f"{paced['posts'] / fewest:.2f}" if paced else "-"
    yield f"{free['cpu_us']:,.0f} + {free['redis_us']:,.0f}" if free else "-"


def _lost(killed: Figures | None) -> str:
    if killed is None:
        return "-"
    late = f"{killed['missing']:,} of {killed['events']:,}" if killed["missing"] else "none"
    return late + (f", {killed['doubled']:,} twice" if killed["doubled"] else "")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _facts(figures: Figures) -> Iterator[str]:
    ours = {each["work"]: each for each in figures["medians"] if (each["peer"], each["rate"]) == (_OURS, 0)}
    if compared := [each for work, each in ours.items() if not work.startswith("rows-")]:
        most = max(each["redis_us"] for each in compared)
        trips = figures["round_trips_per_event"]
        yield f"- Redis needs at most {most:.1f} µs of CPU and {trips:.4f} round trips for an event of these backlogs."
    if ratio := figures["memory_deepest_over_shallowest"]:
        deep = {each["events"]: each["peak_bytes"] / 2**20 for work, each in ours.items() if work.startswith("deep-")}
        listed = ", ".join(f"{peak:,.0f} MiB with {events:,}" for events, peak in deep.items())
        yield f"- Peak memory, by events waiting: {listed}. The ratio is {ratio:.2f}."
    idle = figures["idle_milliseconds"]
    if idle:
        bare = f"{idle['sink']:.1f} ms of it the POST itself"
        yield f"- When idle, with `FORWARDER_LINGER=0`: {idle['forwarder']:.1f} ms from the push to the 202, {bare}."
    for name, why in figures["skipped"].items():
        # What follows a colon may be the end of a log, with paths of the machine.
        yield f"- Not measured: {name} ({why.partition(': ')[0]})."
