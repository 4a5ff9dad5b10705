"""What each place says of a queue, and after how many seconds it first said so."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.scenarios.stage import Stage
from tests.support.service import WorkerProcess, command

#: Seconds between two looks.
_PAUSE = 0.25
#: Columns and lines of `forwarder status` that are kept.
_COLUMNS, _LINES = "80", 6
#: Commands of all scenarios that run at the same time: more would only measure how busy the machine is.
_AT_ONCE = asyncio.Semaphore(2)


@dataclass
class Sighting:
    """What one place said at last, and after how many seconds it first said what it must; None if it never did."""

    after: float | None = None
    reasons: list[str] = field(default_factory=list)
    tones: list[str] = field(default_factory=list)
    title: str = ""
    sentence: str = ""
    detail: str = ""
    steps: list[str] = field(default_factory=list)
    text: str = ""

    def take(self, findings: list[dict[str, Any]]) -> None:
        """Takes what is found, the worst first."""
        first = findings[0]
        self.reasons = [each["reason"] for each in findings]
        self.tones = [each["tone"] for each in findings]
        self.title, self.sentence, self.detail = first["title"], first["sentence"], first["detail"]
        self.steps = list(first["steps"])


@dataclass
class Look:
    """What all places say.

    Attributes:
        lines: of the log, at warning or above, since the look began.
        alone: the title and the first step on a page whose service is gone.
    """

    status: Sighting = field(default_factory=Sighting)
    page: Sighting = field(default_factory=Sighting)
    readyz: Sighting = field(default_factory=Sighting)
    log: Sighting = field(default_factory=Sighting)
    lines: list[dict[str, Any]] = field(default_factory=list)
    alone: tuple[str, str] = ("", "")

    @property
    def places(self) -> dict[str, Sighting]:
        """By their names."""
        return {"status": self.status, "page": self.page, "/readyz": self.readyz, "log": self.log}

    @property
    def seconds(self) -> float:
        """When the last of them said it."""
        return max((each.after for each in self.places.values() if each.after is not None), default=0.0)


class Watcher:
    """Looks at all places of a stage. It is made before something happens, and counts the time from then on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._read = {worker.log: len(_loud(worker)) for worker in stage.workers}
        self._begun = time.monotonic()
        self._within = 0.0

    async def until(self, said: Callable[[Sighting], bool], *, line: str, within: float) -> Look:
        """Looks until all places say it, and the log has a line with these words, for `within` seconds at most."""
        look = Look()
        self._within = within
        places = [self._place(look.status, self._status, said)]
        if self._stage.workers:
            url = await self._stage.workers[-1].admin()
            places.append(self._place(look.page, lambda each: _page(url, each), said))
            places.append(self._place(look.readyz, lambda each: _readyz(url, each), lambda each: bool(each.text)))
        if self._stage.workers and line:

            async def read(_sighting: Sighting) -> None:
                self.read_log(look, line)

            places.append(self._place(look.log, read, lambda each: bool(each.text)))
        await asyncio.gather(*places)
        self.read_log(look, line)
        if self._stage.workers:
            await _readyz(url, look.readyz)
        return look

    async def _place(
        self, sighting: Sighting, fetch: Callable[[Sighting], Awaitable[None]], said: Callable[[Sighting], bool]
    ) -> None:
        while time.monotonic() - self._begun < self._within:
            await fetch(sighting)
            if said(sighting):
                sighting.after = time.monotonic() - self._begun
                return
            await asyncio.sleep(_PAUSE)

    async def _status(self, sighting: Sighting) -> None:
        async with _AT_ONCE:
            _, out, _ = await command("status", "--json", environment=self._stage.environment)
        sighting.take(json.loads(out)["findings"])

    async def read_status(self, look: Look) -> None:
        """Runs `forwarder status` as a person does."""
        _, out, err = await command("status", environment={**self._stage.environment, "COLUMNS": _COLUMNS})
        look.status.text = "\n".join((out or err).splitlines()[:_LINES])

    def read_log(self, look: Look, line: str) -> None:
        """Reads the lines that were written since this watcher was made."""
        if self._stage.workers:
            worker = self._stage.workers[-1]
            look.lines = _loud(worker)[self._read.get(worker.log, 0) :]
            found = (str(each["event"]) for each in look.lines if line and line in str(each["event"]))
            look.log.text = next(found, "")


def _loud(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [each for each in worker.lines() if each["level"] in ("warning", "error", "critical")]


async def _page(url: str, sighting: Sighting) -> None:
    sighting.take((await _get(f"{url}/status.json"))["findings"])


async def _readyz(url: str, sighting: Sighting) -> None:
    found = await _get(f"{url}/readyz")
    sighting.text = json.dumps(found)
    sighting.reasons = [found.get("reason") or found["state"]]


async def _get(url: str) -> Any:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        return json.loads(await response.text())
