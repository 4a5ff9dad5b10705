"""Everything that can happen within small bounds: no promise is broken, and without a guard one is."""

import pytest

from tests.model import claims, mover, spin
from tests.model.exploring import Configuration, Guard, explore, without

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(spin.missing()), reason=spin.missing() or "everything is here"),
]

#: The others explore millions of states: `python -m tests.programs.protocol --large` does.
_SMALL = [each for model in (claims, mover) for each in model.CONFIGURATIONS if not each.large]
_QUICK = [each for model in (claims, mover) for each in model.GUARDS if each.breaks and each.quick]


@pytest.mark.parametrize("configuration", _SMALL, ids=lambda each: f"{each.model}: {each.what}")
def test_no_promise_is_broken_whatever_happens(configuration: Configuration) -> None:
    found = explore(configuration)
    assert (found.broken, found.complete) == ("", True), "\n".join(found.trail)
    assert found.states > 1_000


@pytest.mark.parametrize("guard", _QUICK, ids=lambda each: f"{each.model}: {each.what}")
def test_without_a_guard_a_promise_is_broken(guard: Guard) -> None:
    found = without(guard)
    assert found.broken == guard.breaks
    assert found.trail
