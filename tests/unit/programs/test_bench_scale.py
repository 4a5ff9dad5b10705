"""The report on fleets, from figures that were never measured."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from forwarder.queue.sharding import MOST_SHARDS
from tests.programs.bench.fleet import FleetRun
from tests.programs.bench.scale_report import Backlog, ScaleReport
from tests.programs.bench.sizing import Costs, ceilings, size
from tests.support.documents import between_marks
from tests.support.owners import shared_fairly

COSTS = Costs(
    worker_us=6.0,
    redis_us=3.0,
    push_us=9.0,
    cheap_push_us=1.0,
    waiting_bytes=200.0,
    redis_bytes=500.0,
    body_bytes=100.0,
    worker_bytes=2**30,
)


def _run(workers: int, cpu: float, *, turn: int = 0, store: str = "one Redis", rate: int = 0) -> FleetRun:
    return FleetRun(store, workers, rate, turn, 1_000, 10, 0.5, 12, cpu, 2.0, 0.0, 2**20, 150.0, 400.0)


REPORT = ScaleReport(
    machine={"CPU": "2 × anything", "Python": "3", "aiohttp": "3", "Redis": "redis-7"},
    backlog=Backlog("(a) events", 0.01, 100.0, 120.0),
    push_us={1: 8.0, 100: 1.0},
    runs=[
        _run(1, 10.0),
        _run(2, 11.0),
        _run(1, 20.0, turn=1),
        _run(2, 30.0, turn=1),
        _run(1, 12.0, turn=2),
        _run(2, 12.0, turn=2),
        _run(2, 40.0, store="Redis Cluster"),
        _run(1, 9.0, rate=2_000),
    ],
)


def test_a_fleet_is_compared_with_one_worker_of_the_same_turn() -> None:
    alone, two, elsewhere, _ = REPORT.medians()
    assert (alone["cpu_us"], alone["cpu_over_one_workers"]) == (12.0, 1.0)
    assert (two["cpu_us"], two["cpu_over_one_workers"], two["runs"]) == (12.0, pytest.approx(1.1), 3)
    assert elsewhere["cpu_over_one_workers"] is None, "there was no run of one worker there"


def test_the_arithmetic_takes_what_cost_most_and_of_a_worker_at_a_rate_that_was_kept() -> None:
    costs = REPORT.costs
    assert costs.worker_us == 9.0
    assert replace(REPORT, runs=REPORT.runs[:-1]).costs.worker_us == 40.0
    assert (costs.push_us, costs.cheap_push_us) == (8.0, 1.0)
    assert (costs.redis_bytes, costs.worker_bytes) == (400.0 + 120.0, 2**20)


def test_a_rate_takes_what_its_events_cost() -> None:
    found = size(COSTS, 1_000_000)
    assert found.accounts == 84, "12,000 events a second each"
    assert found.workers == 10, "six cores, used to 60 %"
    assert found.worker_gib == 10
    assert (found.nodes_for_cpu, found.nodes_for_cheap_cpu) == (20, 7)
    assert found.outage_gib == pytest.approx(1e6 * 3_600 * 200 / 2**30)
    assert found.nodes_for_memory == 18, "670 GiB in nodes of 64, used to 60 %"
    assert (found.queues, found.shards) == (1, 128), "four for each of 20, as a power of two"
    assert (found.redis_gbit, found.api_gbit) == (4.0, 0.8)


def test_little_takes_one_of_everything() -> None:
    found = size(COSTS, 1_000)
    assert (found.accounts, found.workers, found.shards, found.nodes_for_cpu, found.nodes_for_memory) == (1,) * 5


def test_what_more_lists_than_there_can_be_would_take_is_several_queues() -> None:
    found = size(replace(COSTS, worker_us=150.0), 10_000_000)
    assert found.workers == 2_500
    assert found.queues * found.shards >= found.workers
    assert (found.queues, found.shards) == (3, MOST_SHARDS)


def test_ceilings_stand_in_the_order_in_which_they_are_met() -> None:
    found = ceilings(COSTS)
    assert [each.rate for each in found] == sorted(each.rate for each in found)
    rates = {each.what: each.rate for each in found}
    assert rates["one account, 120 POSTs/s, each event of another user"] == 120
    assert rates["one account, 120 POSTs/s, 100 events in each"] == 12_000
    assert rates["the core of one worker, and so one list"] == pytest.approx(1e6 / 6)
    assert rates["the thread of one Redis, events pushed one at a time"] == pytest.approx(1e6 / 12)


def test_a_report_is_the_same_from_its_figures() -> None:
    figures = json.loads(json.dumps(REPORT.figures()))
    assert ScaleReport.of(figures).page() == REPORT.page()


def test_the_page_and_the_terminal_have_the_same_figures() -> None:
    page = REPORT.page()
    assert "| one Redis | unlimited | 2 | 2,000 | 1.20 | 12.0 | 1.10 | 2.0 | - | 1 MiB |" in page
    assert "at best 100.0 in a POST" in page
    console = Console(width=200)
    with console.capture() as said:
        REPORT.print(console)
    for figure in ("2,000", "1.10", "8.0 µs with 1 in an RPUSH", "12,000", "FORWARDER_SHARDS of each"):
        assert figure in said.get()


def test_lists_are_shared_fairly_when_nobody_has_two_more_than_another() -> None:
    assert shared_fairly(["a", "b", "a"], 2)
    assert not shared_fairly(["a", "a", "a"], 2)
    assert not shared_fairly(["a", None, "b"], 2)
    assert not shared_fairly(["a", "a", "b", "b"], 3), "one worker has nothing"


def test_the_page_on_scaling_has_the_figures_that_were_measured() -> None:
    """`python -m tests.programs.bench.scale --json … --readme deploy/scaling.md` writes both."""
    root = Path(__file__).parents[3]
    figures = json.loads((root / "tests/programs/bench/results/scale.json").read_text())
    assert between_marks((root / "deploy/scaling.md").read_text(), "scale") == ScaleReport.of(figures).page()
