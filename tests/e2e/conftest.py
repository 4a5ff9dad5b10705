"""The stand-in API, and workers as processes of their own."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from forwarder.config import Settings
from forwarder.simulator import Simulator
from tests.support.service import KEY, WorkerProcess, environment


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Simulator]:
    async with Simulator(KEY) as simulator:
        yield simulator


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts `forwarder run`; whatever still runs at the end is killed."""
    started: list[WorkerProcess] = []

    def start(given: Settings, *, fresh: bool = False) -> WorkerProcess:
        process = WorkerProcess(environment(given), tmp_path / f"worker-{len(started)}.log", fresh=fresh)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
