"""In each scenario all places say the same within seconds, the right step first, and all is well again when it is over.

`python -m tests.programs.scenarios --publish` plays the same scenarios one after the other, and writes what they say
into deploy/status-page.md.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from forwarder.demo.redis_server import EmbeddedRedis
from tests.support.scenarios.catalogue import SCENARIOS, Scenario
from tests.support.scenarios.playing import play

#: Seconds. All scenarios run at the same time here, perhaps on a loaded machine; the published times are those of one.
WITHIN = 40.0


@pytest.mark.long
@pytest.mark.timeout(150)
async def test_every_place_says_what_is_wrong_and_what_to_do_and_when_it_is_over(
    redis_server: EmbeddedRedis, queue_name: str, own_redis: Callable[..., EmbeddedRedis], tmp_path: Path
) -> None:
    async def one(scenario: Scenario) -> list[str]:
        data = tmp_path / f"{scenario.name}-data"
        data.mkdir()
        server = own_redis(port=None, appendonly=True, directory=data) if scenario.own_redis else redis_server
        queue = f"{queue_name}-{scenario.name}"
        played = await play(scenario, server, tmp_path / scenario.name, queue=queue, within=WITHIN)
        return played.problems

    found = await asyncio.gather(*map(one, SCENARIOS))
    assert {each.name: problems for each, problems in zip(SCENARIOS, found, strict=True) if problems} == {}
