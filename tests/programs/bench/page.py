"""The benchmark's figures as a part of its page, README.md beside this file."""

from collections.abc import Iterator, Mapping
from typing import Any

_OURS = "forwarder"
#: The rate that the API's owner asks for.
_RATE = 120

Figures = Mapping[str, Any]


def page(figures: Figures) -> str:
    """Markdown: the machine, a table for each backlog, and what else was measured."""
    machine = figures["machine"]
    lines = [f"On {machine['CPU']}, Python {machine['Python']}, aiohttp {machine['aiohttp']}, {machine['Redis']}.", ""]
    for work, title in figures["works"].items():
        if work in {"zipf", "shop", "strangers"}:
            lines += [*_table(figures, work, title), ""]
    lines += [*_facts(figures), ""]
    return "\n".join(lines)


def _table(figures: Figures, work: str, title: str) -> Iterator[str]:
    found = {(each["peer"], each["rate"]): each for each in figures["medians"] if each["work"] == work}
    killed = {each["peer"]: each for each in figures["killed"]}
    columns = ("events/s", f"to drain at {_RATE} POSTs/s", "POSTs ÷ fewest", "CPU µs per event", "lost when killed")
    yield "| " + " | ".join((title, *columns)) + " |"
    yield "|---|" + "--:|" * len(columns)
    for peer in dict.fromkeys(peer for peer, _ in found):
        free, paced = found.get((peer, 0)), found.get((peer, _RATE))
        if free and peer in figures["one_by_one"]:
            paced = {"seconds": free["events"] / _RATE, "posts": free["events"]}
        cells = [figures["titles"][peer], *_cells(figures["optimum_posts"][work], free, paced)]
        yield "| " + " | ".join((*cells, _lost(killed.get(peer)))) + " |"


def _cells(fewest: int, free: Figures | None, paced: Figures | None) -> Iterator[str]:
    yield f"{free['events'] / free['seconds']:,.0f}" if free else "-"
    yield _time(paced["seconds"]) if paced else "-"
    yield f"{paced['posts'] / fewest:.2f}" if paced else "-"
    yield f"{free['cpu_us']:,.0f}" if free else "-"


def _lost(killed: Figures | None) -> str:
    if killed is None:
        return "-"
    late = f"{killed['missing']:,} of {killed['events']:,}" if killed["missing"] else "none"
    return late + (f", {killed['doubled']:,} twice" if killed["doubled"] else "")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _facts(figures: Figures) -> Iterator[str]:
    ratios = figures["bare_loop_cpu_over_workers"]
    if ratios:
        listed = ", ".join(f"{ratio:.2f} with {work.removeprefix('rows-')}" for work, ratio in ratios.items())
        yield f"- The bare loop's CPU ÷ the forwarder's, by events in a POST: {listed}."
    ours = {each["work"]: each for each in figures["medians"] if (each["peer"], each["rate"]) == (_OURS, 0)}
    if ours:
        most = max(each["redis_us"] for work, each in ours.items() if not work.startswith("rows-"))
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
