"""The time to go, against a queue whose rates are known."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forwarder.diagnosis.trend import trend
from forwarder.queue.totals import Totals

START = 1_796_000_000.0
COUNTS = st.integers(0, 10_000)


def totals(at: float, *, pushed: float, accepted: float = 0, refused: float = 0, replayed: int = 0) -> Totals:
    """A queue in which as much as possible is claimed."""
    backlog = int(pushed) + replayed - int(accepted) - int(refused)
    waiting, claimed = backlog - backlog // 3, backlog // 3
    sequence = int(accepted) + int(refused) + claimed
    letters = int(refused) - replayed
    return Totals(START + at, waiting, claimed, int(accepted), int(refused), replayed, letters, sequence)


def past(ats: Iterable[float], pushed: float, accepted: float) -> list[Totals]:
    """Entries at these seconds with constant rates and a backlog."""
    return [totals(at, pushed=10**7 + at * pushed, accepted=at * accepted) for at in ats]


@given(st.floats(0, 2_000), st.floats(0, 2_000), st.floats(0, 14.9), st.integers(1, 60))
def test_constant_rates_are_found_and_the_time_to_go_follows_from_them(
    pushed: float, accepted: float, offset: float, entries: int
) -> None:
    *before, now = past([*(15.0 * n for n in range(entries)), 15.0 * entries + offset], pushed, accepted)
    found = trend(before, now)
    assert found.accepted == pytest.approx(accepted, abs=0.1)
    assert found.pushed == pytest.approx(pushed, abs=0.1)
    assert 10 <= found.seconds <= 75
    if accepted - pushed > 1:
        assert found.to_go == pytest.approx(now.backlog / (accepted - pushed), rel=0.15)
    if pushed - accepted > 1:
        assert found.to_go is None
        assert not found.burst


STEP = st.tuples(st.floats(0.01, 200), COUNTS, COUNTS, COUNTS, st.integers(0, 50))


@given(st.lists(STEP, max_size=70))
def test_rates_are_never_negative_and_explain_how_the_backlog_changed(
    steps: list[tuple[float, int, int, int, int]],
) -> None:
    at, pushed, accepted, refused, replayed = 0.0, 30_000, 0, 0, 0
    entries = [totals(at, pushed=pushed)]
    for seconds, more, taken, bad, again in steps:
        at, pushed = at + seconds, pushed + more
        replayed += min(again, refused - replayed)
        accepted += min(taken, pushed + replayed - accepted - refused)
        refused += min(bad, pushed + replayed - accepted - refused)
        entries.append(totals(at, pushed=pushed, accepted=accepted, refused=refused, replayed=replayed))
    *before, now = entries
    found = trend(before, now)
    rates = (found.accepted, found.pushed, found.refused, found.replayed)
    if found.accepted is None or found.pushed is None or found.refused is None or found.replayed is None:
        assert not found.seconds
        assert set(rates) == {None}
    else:
        assert min(each for each in rates if each is not None) >= 0
        then = next(each for each in before if each.at == pytest.approx(now.at - found.seconds, abs=1e-4))
        grown = found.pushed + found.replayed - found.accepted - found.refused
        assert grown * found.seconds == pytest.approx(now.backlog - then.backlog, abs=0.01)
    assert found.to_go is None or (found.to_go == 0) == (now.backlog == 0)
    assert (found.to_go is None) <= (now.backlog > 0)
    assert 0 <= found.letters <= refused


@pytest.mark.parametrize("at", [50, 55, 56, 57, 58])
@pytest.mark.parametrize("counter", ["accepted", "dead_lettered", "replayed", "sequence", "waiting"])
def test_no_rate_is_made_from_what_was_before_a_counter_went_back(at: int, counter: str) -> None:
    """FLUSHALL, a failover to an old replica; or somebody deletes waiting events."""
    entries = [replace(each, dead_lettered=9 * 10**6, replayed=8 * 10**6) for each in past(EVERY, 500, 1_000)]
    entries[at:] = [replace(each, **{counter: getattr(each, counter) - 10**6}) for each in entries[at:]]
    *before, now = entries
    found, known = trend(before, now), 15 * (59 - at)
    assert found.seconds == min(known, 60)
    assert found.accepted == 1_000
    assert found.letters == 0


EVERY = range(0, 900, 15)


@given(st.floats(0, 600), st.floats(0, 200))
def test_an_outage_has_no_end_in_sight_and_after_it_the_rate_is_that_of_now(began: float, lasted: float) -> None:
    """Within 25 s of both, as long as entries come every 15 s."""

    def accepted(at: float) -> float:
        return 1_000 * (min(at, began) + max(0.0, at - began - lasted))

    entries = [totals(at, pushed=10**7, accepted=accepted(at)) for at in EVERY]
    for number, now in enumerate(entries[3:], 3):
        at, to_go = now.at - START, trend(entries[:number], now).to_go
        if began + 30 <= at < began + lasted:
            assert to_go is None
        elif at >= began + lasted + 90 or at < began:
            assert to_go == pytest.approx(now.backlog / 1_000, rel=0.01)
