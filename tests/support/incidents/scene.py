"""One incident, as an operator sees it: a service, an alert that fires, the runbook's commands, an alert that ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.queue.census import Census
from forwarder.simulator import Simulator
from tests.support.incidents import runbook
from tests.support.incidents.runbook import Ran
from tests.support.servers.prometheus import DEPLOYED, Prometheus, prometheus, quickened
from tests.support.service import (
    KEY,
    Running,
    accepted,
    census,
    environment,
    event,
    eventually,
    fetch,
    running,
    settings,
)

#: Generous: a loaded machine only makes the wait longer.
PATIENCE = 120.0


class Load:
    """A producer at work. It finishes a push that it has begun."""

    def __init__(self, push: Callable[[], Awaitable[None]], every: float) -> None:
        self._stopped = asyncio.Event()
        self._pushing = asyncio.create_task(self._run(push, every))

    async def _run(self, push: Callable[[], Awaitable[None]], every: float) -> None:
        while not self._stopped.is_set():
            await push()
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._stopped.wait()

    async def stop(self) -> None:
        self._stopped.set()
        await self._pushing


#: Called with the name of a scene and the address of its page, when the page shows the incident.
Camera = Callable[[str, str], Awaitable[None]]


async def nobody(_name: str, _url: str) -> None:
    """Takes no picture."""


class Scene:
    """A list and an API of its own, watched by Prometheus under a job of its own."""

    def __init__(
        self, name: str, watching: Prometheus, redis_url: str, directory: Path, camera: Camera = nobody
    ) -> None:
        self.name = name
        self.job = f"forwarder-{name}"
        self.queue = self.job
        self.api = Simulator(KEY)
        self.redis = Redis.from_url(redis_url)
        self.directory = directory / name
        self.directory.mkdir()
        self.pushed = 0
        self._unread: dict[str, set[int]] = {}
        self._watching = watching
        self._redis_url = redis_url
        self._camera = camera
        self._page = ""

    @property
    def key_file(self) -> Path:
        return self.directory / "key"

    def settings(self, **others: object) -> Settings:
        # Long timeouts: on a loaded machine, a POST that times out would double its events.
        patient = {"request_timeout": 20.0, "lease_ttl": 45.0, "api_key_file": self.key_file}
        return settings(self._redis_url, self.queue, self.api, **{**patient, **others})

    @asynccontextmanager
    async def service(self, **others: object) -> AsyncIterator[Running]:
        """A service of this scene, the only one that Prometheus watches. It has scraped the counters at 0."""
        async with running(self.settings(**others)) as service:
            self.watch(service)
            scraped = f'up{{job="{self.job}",instance="{service.url.removeprefix("http://")}"}} == 1'
            await eventually(lambda: self._watching.query(scraped), within=PATIENCE, what=f"{self.job} is scraped")
            yield service

    async def page_says(self, title: str) -> None:
        """Waits until the status page has this title, and says what to do."""

        async def says() -> bool:
            said = json.loads((await fetch(f"{self._page}/status.json"))[1])["findings"][0]
            return bool(said["title"] == title and said["steps"])

        await eventually(says, within=PATIENCE, what=f"{self.job}: the page says {title!r}")
        await self._camera(self.name, self._page)

    def watch(self, *services: Running) -> None:
        self._page = services[0].url
        self._watching.scrape(self.job, [service.url for service in services])

    async def push(self, events: int, users: int = 50, **members: Any) -> None:
        """Pushes this many events, each unlike any other."""
        numbers = range(self.pushed, self.pushed + events)
        self.pushed += events
        await self.redis.rpush(self.queue, *(event(f"u{n % users}", n, **members) for n in numbers))

    @asynccontextmanager
    async def load(self, events: int, **members: Any) -> AsyncIterator[Load]:
        """Pushes this many events twenty times a second, until it is stopped or left."""
        load = Load(lambda: self.push(events, **members), 0.05)
        try:
            yield load
        finally:
            await load.stop()

    async def fires(self, alert: str, **labels: str) -> Mapping[str, Any]:
        """Waits until the alert fires for this scene's job."""
        wanted = {"job": self.job, **labels}
        what = f"{self.job}: {alert} fires"
        found: Mapping[str, Any] = await eventually(
            lambda: self._watching.firing(alert, wanted), within=PATIENCE, what=what
        )
        return found

    async def ends(self, alert: str) -> None:
        """Waits until the alert no longer fires."""

        async def ended() -> bool:
            return await self._watching.firing(alert, {"job": self.job}) is None

        await eventually(ended, within=PATIENCE, what=f"{self.job}: {alert} ends")

    async def run(self, section: str, block: int = 0, *, codes: Mapping[str, int] | None = None) -> list[Ran]:
        """Runs a block of a section of the runbook; its commands must end with 0, unless `codes` says otherwise."""
        self._unread.setdefault(section, set(range(len(runbook.sections()[section])))).discard(block)
        commands = runbook.sections()[section][block]
        ran = await runbook.run(commands, environment(self.settings()), self.directory)
        expected = [(each.command, (codes or {}).get(each.command, 0)) for each in ran]
        assert [(each.command, each.code) for each in ran] == expected, ran
        return ran

    def read_all(self) -> None:
        """Checks that all commands have been run of each section that was begun."""
        assert not any(self._unread.values()), self._unread

    @property
    def arrived(self) -> set[int]:
        """The numbers of the events that the API has accepted. Events are numbered from 0, as they are pushed."""
        return {number for numbers in accepted(self.api).values() for number in numbers}

    async def drained(self) -> Census:
        """Waits until nothing waits and nothing is claimed. Every pushed event must then be accounted for."""

        async def done() -> Census | None:
            now = await census(self.redis, self.queue)
            return None if now.waiting or now.claimed else now

        now: Census = await eventually(done, within=PATIENCE, what=f"{self.job} is drained")
        assert not any(now.imbalances.values()), now
        assert self.pushed == now.accepted + now.dead_lettered - now.replayed, now
        return now


@asynccontextmanager
async def scene(
    name: str, watching: Prometheus, redis_url: str, directory: Path, camera: Camera = nobody
) -> AsyncIterator[Scene]:
    """A scene whose API runs, and whose key file has the right key."""
    made = Scene(name, watching, redis_url, directory, camera)
    made.key_file.write_text(KEY)
    async with made.redis, made.api:
        yield made


Story = Callable[[Scene], Awaitable[None]]


async def happen(directory: Path, stories: Mapping[str, tuple[str, Story]], camera: Camera = nobody) -> None:
    """Runs all stories, by name, at the same time: each with the Redis at its URL, all under one Prometheus."""
    runbook.can_be_run()
    async with prometheus(directory, rules=quickened((DEPLOYED / "rules.yml").read_text())) as watching:

        async def run(name: str, redis_url: str, story: Story) -> None:
            async with scene(name, watching, redis_url, directory, camera) as here:
                await story(here)
                here.read_all()

        async with asyncio.TaskGroup() as tasks:
            for name, (redis_url, story) in stories.items():
                tasks.create_task(run(name, redis_url, story))
