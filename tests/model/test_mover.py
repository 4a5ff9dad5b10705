"""The model of `forwarder reshard` within small bounds, and a few of its checks left out."""

import pytest

from tests.model import mover, spin
from tests.model.spin import Search

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(spin.missing()), reason=spin.missing())]

#: Quickly found, of each kind one.
SOME = [each for each in mover.CHECKS if each.number in {9, 14, 18}]


@pytest.mark.parametrize("bounds", mover.PROTOCOL[:2])
def test_within_small_bounds_each_event_is_in_one_place_and_the_last_run_finishes(bounds: str) -> None:
    found = mover.explore(bounds)
    assert (found.broken, found.complete) == ("", True), "\n".join(found.trail)
    assert found.states > 2_000


def test_every_run_ends() -> None:
    found = spin.verify(mover.MODEL, mover.bounds("RUNS=1 LATE=1"), search=Search.ENDLESS)
    assert (found.broken, found.complete) == ("", True), "\n".join(found.trail)


@pytest.mark.parametrize("check", SOME, ids=lambda check: f"{check.where} without {check.what}")
def test_without_a_check_the_model_shows_what_it_is_for(check: mover.Check) -> None:
    assert mover.explore(check.bounds, check=check).broken == check.breaks
