"""The soak's report calls good only what is good."""

from dataclasses import replace

import pytest

from tests.programs.soak.chaos import Disturbance
from tests.programs.soak.report import Report

GOOD = Report(
    seed=1,
    seconds=60.0,
    drained_after=0.5,
    pushed=100,
    uncertain=0,
    posts=3,
    letters={},
    disturbances=[Disturbance("cut", 1.0, 1.5), Disturbance("kill", 2.0, 2.5)],
    accepted_at=[1.2, 1.7, 4.0],
    explained=[],
    faults={},
    audit="",
    peak_rss=1,
)


def test_a_broken_promise_a_wrong_sum_or_an_idle_soak_is_not_good() -> None:
    assert GOOD.good
    assert not replace(GOOD, faults={"missing": [1]}).good
    assert not replace(GOOD, audit="5 too many").good
    assert not replace(GOOD, disturbances=[]).good
    assert not replace(GOOD, accepted_at=[]).good


def test_recovery_is_counted_from_the_end_of_a_disturbance() -> None:
    found = GOOD.recoveries()
    assert found == {"cut": [pytest.approx(0.2)], "kill": [pytest.approx(1.5)]}
