"""The benchmark's report, from figures that were never measured."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.programs.bench.__main__ import plan
from tests.programs.bench.charts import charts
from tests.programs.bench.findings import Finding
from tests.programs.bench.measure import Measurement
from tests.programs.bench.page import page, summary, targets
from tests.programs.bench.parts import PARTS
from tests.programs.bench.report import Idle, Killed, Report, medians
from tests.programs.bench.tell import publish
from tests.programs.bench.work import shop
from tests.support.documents import BENCH, README, ROOT, between_marks


def _run(peer: str, seconds: float, *, work: str = "zipf", cpu: float = 1.0, measured: int = 1_000) -> Measurement:
    return Measurement(peer, work, 0, 1_000, measured, seconds, 20.0, cpu, 0.5, 0.01, 2**20)


REPORT = Report(
    machine={"CPU": "2 × anything", "Python": "3", "aiohttp": "3", "Redis": "7"},
    measurements=[
        _run("forwarder", 1.0),
        _run("forwarder", 9.0),
        _run("forwarder", 2.0),
        _run("arq", 40.0, measured=100),
        _run("forwarder", 1.0, work="strangers"),
        _run("pair", 2.0, work="strangers"),
        _run("arq", 5.0, work="strangers"),
        _run("limit", 0.5, work="strangers"),
        _run("forwarder", 1.0, work="rows-100", cpu=8.0),
        _run("limit", 1.0, work="rows-100", cpu=4.0),
    ],
    titles={"forwarder": "forwarder", "pair": "two workers", "arq": "arq <64>", "limit": "the limit"},
    works={"zipf": "(a) zipf", "strangers": "(c) strangers", "rows-100": "100 events"},
    optimum={"zipf": 10, "strangers": 1_000, "rows-100": 10},
    loses={"arq": "nothing"},
    skipped={"bullmq": "no node: apt-get install nodejs"},
    killed=[Killed("arq", 100, 3, 2)],
    idle=Idle(sink=0.5, forwarder=2.5),
    findings=[Finding("rate used", 98.5, "{:.1f} %", least=99.0)],
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
    assert "rate used" in text


def test_the_charts_are_svg_with_a_bar_for_each_and_names_escaped() -> None:
    drawn = charts(REPORT)
    assert set(drawn) == {"zipf-unlimited.svg", "strangers-unlimited.svg"}, "rows are no comparison"
    root = ET.fromstring(drawn["zipf-unlimited.svg"])
    widths = {each.get("class"): float(each.get("width", 0)) for each in root if each.tag.endswith("rect")}
    assert widths["ours"] == pytest.approx(20 * widths["bar"])
    assert "arq &lt;64&gt;" in drawn["zipf-unlimited.svg"]


def test_the_page_has_speed_time_cost_and_loss() -> None:
    text = page(replace(REPORT, one_by_one=["arq"]).figures())
    assert "| arq <64> | 25 | 8 s | 100.00 | 1 + 0 | 3 of 100, 2 twice |" in text, "1,000 events at 120 POSTs/s"
    assert "| forwarder | 500 | - | - | 1 + 0 | - |" in text
    assert "- Not measured: bullmq (no node)." in text
    assert "2.5 ms from the push to the 202, 0.5 ms of it the POST itself" in text


def test_a_report_is_the_same_from_its_parts() -> None:
    early = replace(REPORT, measurements=REPORT.measurements[:4], findings=[])
    late = replace(REPORT, measurements=REPORT.measurements[4:], killed=[])
    parts = [early.figures(), late.figures()]
    assert Report.of_parts(parts).figures() == REPORT.figures()


def test_the_page_has_the_figures_that_were_measured() -> None:
    """`python -m tests.programs.bench --publish` writes both."""
    figures = json.loads((BENCH.parent / "results" / "bench.json").read_text())
    text = BENCH.read_text()
    assert between_marks(text, "bench") == page(figures)
    assert between_marks(text, "targets") == targets(figures)


def test_the_targets_say_what_was_missed_first() -> None:
    rows = [line.split(" | ") for line in targets(REPORT.figures()).splitlines()[2:]]
    assert (
        rows
        == [
            ["| (c): events/s of two workers ÷ those of arq <64>, the fastest other", "at least 1.00", "2.50", "met |"],
            ["| CPU: bare loop ÷ forwarder, 100 events", "at least 0.45", "0.50", "met |"],
            ["| rate used", "at least 99.0 %", "98.5 %", "missed |"],
        ][::-1]
    )


def test_contestants_with_equal_figures_share_a_row_of_the_summary() -> None:
    alike = replace(REPORT, measurements=[_run("bullmq", 9.0), _run("celery", 20.0), _run("forwarder", 1.0)], killed=[])
    names = {"bullmq": "BullMQ, 64 jobs", "celery": "Celery, a process per core", "forwarder": "forwarder"}
    text = summary(replace(alike, titles=names, one_by_one=["bullmq", "celery"]).figures())
    assert text.splitlines()[2:] == ["| forwarder | - | - | - |", "| BullMQ, Celery | 100.00 | 8 s | - |"]


def test_publishing_writes_the_figures_the_pages_and_the_charts(tmp_path: Path) -> None:
    for document in (README, BENCH):
        copy = tmp_path / document.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(document.read_text())
    publish(REPORT, tmp_path)
    folder = (tmp_path / BENCH.relative_to(ROOT)).parent
    figures = json.loads((folder / "results" / "bench.json").read_text())
    assert Report.of_parts([figures]).figures() == figures
    assert between_marks((folder / "README.md").read_text(), "targets") == targets(figures)
    assert between_marks((tmp_path / "README.md").read_text(), "bench") == summary(figures)
    assert (folder / "results" / "zipf-unlimited.svg").exists()


def test_the_first_line_says_how_long_it_takes_and_all_of_it_takes_at_most_22_minutes() -> None:
    assert plan(["rate", "idle"]).startswith("This takes about 2 minutes, ")
    assert sum(part.minutes for part in PARTS.values()) <= 22


def test_the_page_says_what_the_shops_events_need_one_by_one() -> None:
    work = shop(69_659)
    minutes, seconds = divmod(round(len(work.events) / 120), 60)
    times = f"{minutes} min {seconds:02} s for (b), which is {len(work.events) / len(work.posts):.2f} times the fewest"
    assert times in BENCH.read_text()
