"""What a client of a cluster raises."""

from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster

from forwarder.errors import UnreachableError
from forwarder.queue.wire.connection import connect, translated


async def test_a_connection_that_is_closed_while_it_is_used_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When a slot has moved, redis-py closes connections that other tasks are using, and has no error for that."""

    async def closed(*_: Any, **__: Any) -> None:
        raise AttributeError("'NoneType' object has no attribute 'writelines'")

    monkeypatch.setattr(RedisCluster, "execute_command", closed)
    async with connect("redis+cluster://127.0.0.1:1") as redis:
        with pytest.raises(UnreachableError, match="the connection was closed while it was used"), translated():
            await redis.get("events")
