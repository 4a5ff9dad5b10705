"""The table of scenarios in deploy/status-page.md has those that are tested, and each of them has a picture."""

import pytest

from tests.programs.scenarios import table
from tests.programs.scenarios.pictures import FOLDER
from tests.support.scenarios.catalogue import SCENARIOS
from tests.support.scenarios.judging import WITHIN

ROWS = table.rows()


def test_the_document_has_a_row_for_each_scenario() -> None:
    titles = [f"[{each.title}](../tests/programs/screens/scenarios/{each.name}.png)" for each in SCENARIOS]
    assert [row[0] for row in ROWS] == titles


def test_each_place_says_it_in_time_with_the_right_step() -> None:
    for scenario, (_, status, page, log, after) in zip(SCENARIOS, ROWS, strict=True):
        assert int(after.removesuffix(" s")) <= WITHIN, scenario.name
        # Where no worker runs, the page only knows that none answers it.
        assert scenario.reason == "no_worker" or page.split("**")[1] == status.split("**")[1], scenario.name
        assert scenario.reason == "no_worker" or scenario.step in page, scenario.name
        assert scenario.line in log, scenario.name


@pytest.mark.parametrize("name", [each.name for each in SCENARIOS])
def test_each_scenario_has_a_small_picture(name: str) -> None:
    assert 5_000 < (FOLDER / f"{name}.png").stat().st_size < 60_000
    assert {file.stem for file in FOLDER.glob("*.png")} == {each.name for each in SCENARIOS}
