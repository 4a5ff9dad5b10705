"""Every query of the dashboard is asked of a real Prometheus that has scraped a real run, and returns data."""

import asyncio
import json
import re
import time
from math import isnan
from pathlib import Path

import pytest

from forwarder.queue.keys import Keys
from forwarder.simulator import Faults, RandomAnswer, Refusal
from tests.support.incidents.scene import PATIENCE, Scene, scene
from tests.support.servers.prometheus import DEPLOYED, Prometheus, prometheus, quickened
from tests.support.service import eventually

RULES = quickened((DEPLOYED / "rules.yml").read_text())
DASHBOARD = json.loads((DEPLOYED.parent / "grafana" / "dashboard.json").read_text())

#: Some of everything: retries, lost answers, refusals, and always something in flight.
TROUBLE = Faults(
    latency=0.05, statuses=(RandomAnswer(status=503, rate=0.05),), reset_after_rate=0.02, refuse=(Refusal(name="bad"),)
)

#: It has a value only while the backlog shrinks.
TO_GO = "Time to go"


def queries(job: str) -> list[str]:
    """The expressions of the panels that always show something, their variables filled in as Grafana would."""
    panels = [panel for panel in DASHBOARD["panels"] if panel["title"] != TO_GO]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    filled = [each.replace("$job", job).replace("$__rate_interval", "10s") for each in found]
    assert not any("$" in each for each in filled), filled
    return filled


async def without_data(watching: Prometheus, job: str) -> list[str]:
    """The queries that return nothing, or nothing that is a number."""
    empty = []
    for query in queries(job):
        values = [float(found["value"][1]) for found in await watching.query(query)]
        if not any(not isnan(value) for value in values):
            empty.append(query)
    return empty


async def all_return_data(watching: Prometheus, job: str) -> None:
    """Waits until none is without data; fails with those that are."""
    deadline = time.monotonic() + PATIENCE
    while empty := await without_data(watching, job):
        assert time.monotonic() < deadline, empty
        await asyncio.sleep(0.2)


async def choices(watching: Prometheus, variable: str) -> set[str]:
    """What Grafana would offer for a variable: the values of a label of a metric."""
    (query,) = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["name"] == variable]
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
    assert asked
    return {found["metric"][asked[2]] for found in await watching.query(asked[1])}


async def labels(watching: Prometheus, query: str, label: str) -> set[str]:
    return {found["metric"][label] for found in await watching.query(query)}


async def trouble(here: Scene) -> None:
    """What never happens in a good run: the lease is lost, which also leaves events undecided and has them adopted."""
    await eventually(lambda: here.api.ledger.accepted_events > 100, within=PATIENCE)
    await here.redis.delete(Keys(here.queue).lease)


async def to_go(watching: Prometheus, job: str) -> float:
    """The time to go, once the backlog shrinks."""
    (panel,) = [panel for panel in DASHBOARD["panels"] if panel["title"] == TO_GO]
    query = panel["targets"][0]["expr"].replace("$job", job).replace("[5m]", "[3s]")
    (found,) = await eventually(lambda: watching.query(query), within=PATIENCE, what="the backlog shrinks")
    return float(found["value"][1])


async def rises(watching: Prometheus, counter: str, job: str) -> None:
    async def risen() -> bool:
        return any(float(found["value"][1]) > 0 for found in await watching.query(f'{counter}{{job="{job}"}}'))

    await eventually(risen, within=PATIENCE, what=f"{counter} rises")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_every_query_returns_data_in_a_run_with_faults(redis_url: str, tmp_path: Path) -> None:
    async with prometheus(tmp_path, rules=RULES) as watching, scene("dashboard", watching, redis_url, tmp_path) as here:
        here.api.faults = TROUBLE
        async with here.service(linger=0.1), here.load(40), here.load(1, name="bad"):
            await trouble(here)
            for counter in ("posts_ambiguous", "bisections", "lease_lost", "events_adopted", "events_dead_lettered"):
                await rises(watching, f"forwarder_{counter}_total", here.job)
            await all_return_data(watching, here.job)
            here.api.faults = Faults(latency=1)
            await here.push(5_000)
            here.api.faults = Faults()
            assert await to_go(watching, here.job) > 0
            assert here.job in await choices(watching, "job")
            assert {"202", "400", "503"} <= await labels(watching, "forwarder_posts_total", "status")
            assert {"503", "reset"} <= await labels(watching, "forwarder_retries_total", "cause")
