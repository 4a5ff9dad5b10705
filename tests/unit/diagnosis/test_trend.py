"""Rates and the time to go, by worked examples. tests/property/test_trend.py has the rules."""

import pytest
from msgspec.structs import replace

from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.states import outlook
from forwarder.diagnosis.trend import Trend, trend
from forwarder.queue.totals import Totals, read

NOW = Totals(1_000.0, 60_000, 30_000, accepted=500_000, dead_lettered=40, replayed=0, letters=40, sequence=530_040)


def before(seconds: float, *, accepted: int = 0, pushed: int = 0, refused: int = 0) -> Totals:
    """What was there this many seconds before `NOW`, if these were accepted, pushed and refused meanwhile."""
    return replace(
        NOW,
        at=NOW.at - seconds,
        waiting=NOW.waiting - pushed + accepted + refused,
        accepted=NOW.accepted - accepted,
        dead_lettered=NOW.dead_lettered - refused,
        sequence=NOW.sequence - accepted - refused,
    )


def test_the_example_of_the_module() -> None:
    found = trend([before(60, accepted=60_000, pushed=30_000)], NOW)
    assert found == Trend(1_000, 500, 0, 0, seconds=60, to_go=180, turnover=90)


@pytest.mark.parametrize("past", [[], [before(9.9, accepted=3_000)], [before(-1)], [before(901, accepted=3_000)]])
def test_without_ten_seconds_of_the_last_fifteen_minutes_nothing_is_known(past: list[Totals]) -> None:
    assert trend(past, NOW) == Trend()
    assert trend(past, replace(NOW, waiting=0, claimed=0)).to_go == 0


def test_a_rate_is_about_the_last_minute_and_letters_about_fifteen() -> None:
    past = [before(800, accepted=400_000, refused=30), before(75, accepted=75_000), before(45, accepted=75_000)]
    found = trend(past, NOW)
    assert (found.accepted, found.seconds, found.letters) == (1_000, 75, 30)


def test_letters_that_were_replayed_meanwhile_were_made_nevertheless() -> None:
    assert trend([replace(before(100, refused=40), letters=0)], replace(NOW, letters=0, replayed=40)).letters == 40


def test_a_queue_that_keeps_up_has_a_turnover_and_no_time_to_go() -> None:
    now = replace(NOW, waiting=100, claimed=20)
    found = trend([replace(now, at=940.0, accepted=428_000, sequence=458_040)], now)
    assert (found.to_go, found.turnover) == (None, 0.1)


def test_what_was_before_a_clock_was_set_back_is_left_out() -> None:
    past = [before(30, accepted=30_000), before(50, accepted=2_000), before(20, accepted=1_000)]
    assert trend(past, NOW).accepted == 40


def test_ten_seconds_into_an_outage_there_is_no_time_to_go() -> None:
    past = [before(60, accepted=50_000), before(10)]
    assert trend(past, NOW).to_go is None
    assert trend(past[:1], NOW).to_go == 108


def test_an_entry_is_read_as_it_was_written_and_one_of_a_newer_version_too() -> None:
    assert read(NOW.text) == NOW
    assert read(NOW.text[:-1] + b',{"more":1}]') == NOW


def after_a_push(of: int, *, at: float, steady: float = 0.0, lasting: float = 1.0, offset: float = 5.0) -> Totals:
    """A queue that decides 1,200 events a second, `at` seconds after somebody began to push this many at once.

    Before that it kept up with `steady` events a second, and an entry is written `offset` seconds before the push.
    """
    pushed = of * min(1.0, max(0.0, at / lasting)) + steady * (at + 900)
    accepted = steady * (at + 900 if at < 0 else 900) + (min(1_200 * at, pushed - steady * 900) if at > 0 else 0)
    return Totals(10_000.0 + at, int(pushed) - int(accepted), 0, int(accepted), 0, 0, 0, int(accepted))


@pytest.mark.parametrize("steady", [0.0, 300.0])
@pytest.mark.parametrize("lasting", [1.0, 12.0])
@pytest.mark.parametrize("entries_before", [2, 40])
@pytest.mark.parametrize("offset", [0.1, 5.0, 14.9])
def test_a_backlog_that_falls_after_a_huge_push_is_not_said_to_grow(
    steady: float, lasting: float, entries_before: int, offset: float
) -> None:
    def found(at: float) -> Trend:
        ats = [15.0 * n - offset for n in range(-entries_before + 1, 60) if 15.0 * n - offset < at]
        return trend([after_a_push(300_000, at=each, steady=steady, lasting=lasting) for each in ats], now(at))

    def now(at: float) -> Totals:
        return after_a_push(300_000, at=at, steady=steady, lasting=lasting)

    for at in range(10, 100):
        lately = found(at)
        facts = Facts(waiting=now(at).waiting, claimed=0, trend=lately)
        assert "growing" not in outlook(facts), (at, outlook(facts))
        assert lately.to_go is None or lately.to_go == pytest.approx(now(at).backlog / (1_200 - steady), rel=0.01)
        if at >= 45:
            assert lately.to_go is not None
            assert lately.accepted == pytest.approx(1_200, rel=0.01)
