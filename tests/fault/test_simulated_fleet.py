"""A whole fleet with random faults, on a virtual clock. `python -m tests.programs.fleet` does the same for longer."""

import asyncio
import secrets

import pytest

from forwarder.pipeline.intake import Intake
from tests.support.fleet.ending import end
from tests.support.fleet.life import live
from tests.support.fleet.play import play
from tests.support.fleet.world import Size, World
from tests.support.virtual.stepped import needs_gcc

SEED = secrets.token_hex(4)


@needs_gcc
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_fleet_keeps_every_promise_whatever_happens() -> None:
    print(f"seed {SEED}")
    report = live(SEED, size=Size(workers=3, lists=6), hours=0.06, pause=20.0)
    assert not report.violations, "\n".join([*report.tail, *map(str, report.violations)])
    assert report.faults
    assert report.posts


@needs_gcc
@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_same_seed_gives_the_same_history() -> None:
    print(f"seed {SEED}")
    first, second = (
        live(SEED, size=Size(workers=3, lists=4), hours=0.02, pause=10.0, only=("kill", "flaky", "trouble", "away"))
        for _ in range(2)
    )
    assert (first.digest, first.events, first.posts) == (second.digest, second.events, second.posts)


@needs_gcc
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_fleet_whose_lists_nobody_adopts_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge must be able to fail."""

    async def adopt_nothing(_: Intake) -> None:
        pass

    async def story(world: World) -> list[str]:
        world.outside.latency = (5.0, 5.0)
        world.start()
        await asyncio.sleep(2.0)
        world.push(["u1", "u2"])
        await asyncio.sleep(2.0)
        await world.kill(world.members["w1"])
        world.outside.latency = (0.05, 0.2)
        world.start()
        await end(world)
        return [each.kind for each in world.violations]

    assert play(story, Size(workers=1, lists=1), seed=SEED) == []
    monkeypatch.setattr(Intake, "_adopt", adopt_nothing)
    assert play(story, Size(workers=1, lists=1), seed=SEED) == ["not decided"]
