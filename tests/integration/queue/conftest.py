"""What the tests of the scripts share: a client of each Redis and Valkey that the machine has, in turn."""

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.wire.connection import connect


@pytest_asyncio.fixture
async def redis(each_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    async with connect(each_server.url) as client:
        yield client
