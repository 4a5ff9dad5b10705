"""A cancellation that was meant for another task is an error like any other, and never the silent end of this one."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import Connection

from forwarder.errors import UnreachableError
from forwarder.queue.wire.connection import translated


async def _closing(connection: Connection) -> None:
    with translated():
        await connection.disconnect()


async def _waiting() -> None:
    with translated():
        await asyncio.get_running_loop().create_future()


async def test_what_another_task_cancels_is_an_error_here(redis_client: Redis) -> None:
    """Tasks that wait for one connection to close are cancelled together, as redis-py and asyncio have it."""
    connection = await redis_client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    cancelled, other = (asyncio.create_task(_closing(connection)) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(UnreachableError):
        await other
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await redis_client.connection_pool.release(connection)


async def test_a_deadline_stays_a_deadline() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_waiting(), 0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await _waiting()
