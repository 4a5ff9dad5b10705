"""The simulated fleet bites: a fault that was fixed is found when it is put back."""

import pytest

from tests.programs.fleet.faults_back import find
from tests.programs.mutations.faults_back import FAULTS_BACK
from tests.support.fleet.scenes import played
from tests.support.virtual.stepped import needs_gcc

SEED = "1"


@needs_gcc
@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_fleet_shows_that_one_user_halts_everybody_if_the_brake_does_not_count_users() -> None:
    (fault,) = [each for each in FAULTS_BACK if each.scene == "a lonely user"]
    assert find(fault, SEED).kind == "halted without a cause"
    assert played(fault.scene, seed=SEED).faults == []
