"""The benchmark's report, from figures that were never measured."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.programs.bench.charts import charts
from tests.programs.bench.measure import Measurement
from tests.programs.bench.page import page
from tests.programs.bench.report import Idle, Killed, Report, medians
from tests.support.documents import BENCH, between_marks


def _run(peer: str, seconds: float, *, work: str = "zipf", cpu: float = 1.0, measured: int = 1_000) -> Measurement:
    return Measurement(peer, work, 0, 1_000, measured, seconds, 20.0, cpu, 0.5, 0.01, 2**20)


REPORT = Report(
    machine={"CPU": "2 × anything", "Python": "3", "aiohttp": "3", "Redis": "7"},
    measurements=[
        _run("forwarder", 1.0),
        _run("forwarder", 9.0),
        _run("forwarder", 2.0),
        _run("arq", 40.0, measured=100),
        _run("forwarder", 1.0, work="rows-100", cpu=8.0),
        _run("limit", 1.0, work="rows-100", cpu=4.0),
    ],
    titles={"forwarder": "forwarder", "arq": "arq <64>", "limit": "the limit"},
    works={"zipf": "(a) zipf", "rows-100": "100 events"},
    optimum={"zipf": 10, "rows-100": 10},
    loses={"arq": "nothing"},
    skipped={"bullmq": "no node"},
    killed=[Killed("arq", 100, 3, 2)],
    idle=Idle(sink=0.5, forwarder=2.5),
)


def test_a_median_is_not_moved_by_one_slow_run_and_the_spread_tells_of_it() -> None:
    ours = medians(REPORT.measurements)[0]
    assert (ours.seconds, ours.runs, ours.spread) == (2.0, 3, 9.0)
    assert ours.events_per_second == 500
    assert not ours.extrapolated


def test_ratios_are_ours_to_theirs_of_the_same_work() -> None:
    assert REPORT.ratios()[0] == {"work": "zipf", "rate": 0, "peer": "arq", "speed": 20.0, "time": 0.05}
    assert REPORT.cpu_ratios() == {"rows-100": pytest.approx(0.5)}


def test_memory_is_compared_between_the_deepest_list_and_the_shallowest() -> None:
    runs = [
        Measurement("forwarder", f"deep-{events}", 0, events, events, 1.0, 1.0, 1.0, 1.0, trips, peak)
        for events, trips, peak in ((100, 0.02, 50), (1_000, 0.01, 60))
    ]
    report = replace(REPORT, measurements=runs)
    assert report.memory_ratio() == pytest.approx(1.2)
    assert report.round_trips() == pytest.approx(0.02)
    assert REPORT.memory_ratio() is None


def test_the_report_says_what_was_skipped_extrapolated_and_lost() -> None:
    console = Console(width=200)
    with console.capture() as said:
        REPORT.print(console)
    text = said.get()
    assert "bullmq: no node" in text
    assert "40.0 s *" in text
    assert "20.00 ×" in text
    assert "2.5 ms from push to 202" in text
    assert "3 of 100 missing, 2 doubled" in text
    assert "bare loop ÷ worker, 100 events: 0.50" in text


def test_the_charts_are_svg_with_a_bar_for_each_and_names_escaped() -> None:
    drawn = charts(REPORT)
    assert set(drawn) == {"zipf-unlimited.svg", "rows-100-unlimited.svg"}
    root = ET.fromstring(drawn["zipf-unlimited.svg"])
    widths = {each.get("class"): float(each.get("width", 0)) for each in root if each.tag.endswith("rect")}
    assert widths["ours"] == pytest.approx(20 * widths["bar"])
    assert "arq &lt;64&gt;" in drawn["zipf-unlimited.svg"]


def test_the_page_has_speed_time_cost_and_loss() -> None:
    text = page(replace(REPORT, one_by_one=["arq"]).figures())
    assert "| arq <64> | 25 | 8 s | 100.00 | 1 | 3 of 100, 2 twice |" in text, "1,000 events at 120 POSTs/s"
    assert "| forwarder | 500 | - | - | 1 | - |" in text
    assert "by events in a POST: 0.50 with 100." in text
    assert "2.5 ms from the push to the 202, 0.5 ms of it the POST itself" in text


def test_a_report_is_the_same_from_its_parts() -> None:
    early, late = REPORT.measurements[:4], REPORT.measurements[4:]
    parts = [replace(REPORT, measurements=early).figures(), replace(REPORT, measurements=late, killed=[]).figures()]
    assert Report.of_parts(parts).figures() == REPORT.figures()


def test_the_page_has_the_figures_that_were_measured() -> None:
    """`python -m tests.programs.bench --json … --readme tests/programs/bench/README.md` writes both."""
    figures = json.loads((BENCH.parent / "results" / "bench.json").read_text())
    assert between_marks(BENCH.read_text(), "bench") == page(figures)
