"""Each night is noticed by an alert of a real Prometheus, understood from the page and ended by the runbook.

The shipped rules are loaded with a second for each minute (`quickened` in
tests/support/servers/prometheus.py), no other change.
"""

from pathlib import Path

import pytest

from tests.support.incidents.nights import NIGHTS
from tests.support.incidents.scene import happen


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_each_night_is_noticed_understood_and_ended_and_nothing_is_lost(redis_url: str, tmp_path: Path) -> None:
    await happen(tmp_path, {name: (redis_url, night) for name, night in NIGHTS.items()})
