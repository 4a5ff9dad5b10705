"""Everything that can happen to one list within small bounds: no promise is broken, and without a guard one is."""

import pytest

from tests.model import spin
from tests.model.guards import CONFIGURATIONS, GUARDS, Configuration, Guard
from tests.programs.protocol import explore, without

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(spin.missing()), reason=spin.missing() or "everything is here")]

_SMALL = [each for each in CONFIGURATIONS if not each.large]
#: The others explore millions of states: `python -m tests.programs.protocol --large` does.
_QUICK = [each for each in GUARDS if each.breaks and each.quick]


@pytest.mark.parametrize("configuration", _SMALL, ids=lambda each: each.what)
def test_no_promise_is_broken_whatever_happens(configuration: Configuration) -> None:
    found = explore(configuration, large=False)
    assert (found.broken, found.complete) == ("", True), "\n".join(found.trail)
    assert found.states > 1_000


@pytest.mark.parametrize("guard", _QUICK, ids=lambda each: each.what)
def test_without_a_guard_a_promise_is_broken(guard: Guard) -> None:
    found = without(guard, large=False)
    assert found.broken == guard.breaks
    assert found.trail
