"""From what Redis says to the facts."""

import pytest

from forwarder import config
from forwarder.diagnosis.facts import Setup
from forwarder.diagnosis.trend import Trend
from forwarder.operations.facts import Reading, facts_of, setup_of
from forwarder.queue.about import About, Silence
from forwarder.queue.census import Census

LATELY = Trend(1_000, 500, 0, 0, 60, to_go=180, turnover=90)
CENSUS = Census(60_000, 30_000, "abc-1", 25_000, 30_000, 1, 0, 0, 0, 0, 0)
WORKS = About("works", state="delivering", lists=1)
HALTED = About("halted", state="halted", reason="misdirected")
STANDS_BY = About("stands by", state="standing by")
SILENT = About("silent", state="delivering", lists=1, silence=Silence(4, "503", outage=True))
STUMBLES = About("stumbles", state="delivering", lists=1, silence=Silence(1, "503"))


def trend(*workers: About, lately: Trend = LATELY) -> Trend:
    running = {each.name: each for each in workers}
    return facts_of(Reading(["events"], [CENSUS], running, None, None, lately), Setup()).trend


@pytest.mark.parametrize("workers", [(WORKS,), (HALTED, WORKS), (SILENT, WORKS), (STUMBLES,), (About("of before"),)])
def test_an_end_is_in_sight_while_somebody_delivers(workers: tuple[About, ...]) -> None:
    assert trend(*workers) == LATELY


@pytest.mark.parametrize("workers", [(), (HALTED,), (STANDS_BY,), (SILENT, STANDS_BY)])
def test_no_end_is_in_sight_from_the_moment_when_nobody_delivers_any_more(workers: tuple[About, ...]) -> None:
    found = trend(*workers)
    assert (found.accepted, found.to_go, found.turnover) == (0, None, None)


def test_what_is_gone_is_gone_with_or_without_a_worker() -> None:
    assert trend(HALTED, lately=Trend(to_go=0.0)).to_go == 0


def test_a_remedy_names_the_proxy_without_its_user_and_its_password() -> None:
    given = config.load({}, api_key="k", api_proxy="http://somebody:p%40ss@10.0.0.7:3128", queue="events")
    assert setup_of(given).proxy == "http://10.0.0.7:3128"
    assert "p%40ss" not in str(setup_of(given))
    assert "somebody" not in str(setup_of(given))
