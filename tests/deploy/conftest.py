"""The stand-in API, for what runs the service."""

from collections.abc import AsyncIterator

import pytest_asyncio

from forwarder.simulator import Simulator
from tests.support.service import KEY


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Simulator]:
    async with Simulator(KEY) as simulator:
        yield simulator
