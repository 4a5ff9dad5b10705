"""Figures with targets, and what the benchmark of the rate makes of the times of POSTs."""

import pytest

from forwarder.queue.sharding import shard_of
from tests.programs.bench.findings import Finding, sheet
from tests.programs.bench.rate import LIMIT, backlog, share, worst_second

STEADY = [number / LIMIT for number in range(10 * LIMIT)]


@pytest.mark.parametrize(
    ("value", "least", "most", "target", "verdict"),
    [
        (1.0, None, None, "", "-"),
        (1.0, 1.0, None, "at least 1.00", "met"),
        (0.99, 1.0, None, "at least 1.00", "missed"),
        (1.1, None, 1.1, "at most 1.10", "met"),
        (1.11, None, 1.1, "at most 1.10", "missed"),
    ],
)
def test_a_finding_says_whether_it_meets_its_target(
    value: float, least: float | None, most: float | None, target: str, verdict: str
) -> None:
    found = Finding("x", value, least=least, most=most)
    assert (found.target, found.verdict) == (target, verdict)


def test_missed_targets_come_first_and_what_has_none_last() -> None:
    findings = [Finding("fact", 1.0), Finding("met", 1.0, most=1.0), Finding("missed", 2.0, most=1.0)]
    assert [row[0] for row in sheet(findings).rows] == ["missed", "met", "fact"]


def test_posts_at_an_even_pace_use_the_whole_rate_and_a_pause_shows() -> None:
    assert share(STEADY, 2.0, 5.0) == pytest.approx(100.0, abs=0.2)
    paused = [at for at in STEADY if not 3.0 <= at < 3.5]
    assert share(paused, 2.0, 5.0) == pytest.approx(90.0, abs=0.2)


def test_the_worst_second_may_begin_at_any_post() -> None:
    steady = [number / 128 for number in range(1_000)]  # binary fractions, so that a second is exactly 128 of them
    assert worst_second(steady) == 128
    assert worst_second(sorted([*steady, 4.51, 4.52])) == 130
    assert worst_second([]) == 0


def test_the_backlog_of_the_rate_is_all_of_one_list_and_of_different_users() -> None:
    users = backlog(50, 4).users
    assert {shard_of(user, 4) for user in users} == {0}
    assert len(set(users)) == 50
