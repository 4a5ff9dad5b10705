"""Causes a scenario, looks, ends it, and looks again."""

import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forwarder.demo.redis_server import EmbeddedRedis
from tests.support.scenarios.catalogue import Scenario
from tests.support.scenarios.judging import WITHIN, problems, problems_after
from tests.support.scenarios.sightings import Look, Sighting, Watcher
from tests.support.scenarios.stage import PATIENCE, Stage, stage


class Picture(Protocol):
    """A page that was opened before a scenario was caused."""

    async def take(self, url: str | None, title: str) -> tuple[str, str]:
        """Takes the picture when the page at the address shows the title; without an address, that nothing answers.

        Returns the title and the first step, as they can be read.
        """


#: Called with the name of a scenario and the address of its page, before the cause.
Camera = Callable[[str, str], Awaitable[Picture]]


@dataclass(frozen=True)
class Played:
    """What was said during and after a scenario, and what is wrong with that."""

    scenario: Scenario
    during: Look
    after: Look
    problems: list[str]


async def play(
    scenario: Scenario,
    server: EmbeddedRedis,
    directory: Path,
    *,
    queue: str = "events",
    camera: Camera | None = None,
    linger: float = 1.0,
    within: float = WITHIN,
) -> Played:
    """One scenario from its beginning to its end.

    Args:
        scenario: which.
        server: its Redis.
        directory: for its files; it must not exist.
        queue: a list that nothing else uses on this Redis.
        camera: takes the picture.
        linger: seconds for which the log is read when everything was said, to see what else it says.
        within: seconds that each place has.
    """
    directory.mkdir()
    async with stage(server, directory, queue) as here:
        for _ in range(scenario.workers):
            await here.start()
        await scenario.before(here)
        picture = None if camera is None else await camera(scenario.name, await here.workers[-1].admin())
        during = await _during(scenario, here, picture, linger, within)
        after = await _after(scenario, here, during)
    return Played(scenario, during, after, [*problems(scenario, during, within), *problems_after(scenario, after)])


async def _during(scenario: Scenario, here: Stage, picture: Picture | None, linger: float, within: float) -> Look:
    watcher = Watcher(here)
    await scenario.cause(here)
    said = _first({scenario.reason})
    look = await watcher.until(said, line=scenario.line, within=within + 1)
    # By then the rates are those of what goes on now.
    await asyncio.sleep(linger)
    watcher.read_log(look, scenario.line)
    if picture is not None:
        look.alone = await picture.take(await here.workers[-1].admin() if here.workers else None, look.page.title)
    await watcher.read_status(look)
    return look


async def _after(scenario: Scenario, here: Stage, during: Look) -> Look:
    watcher = Watcher(here)
    await scenario.end(here, during.page.steps or during.status.steps)
    return await watcher.until(_first(scenario.after), line="", within=PATIENCE)


def _first(reasons: Container[str]) -> Callable[[Sighting], bool]:
    return lambda said: any(each in reasons for each in said.reasons[:1])
