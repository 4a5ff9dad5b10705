"""The rows in which workers describe themselves, as `attend.lua` writes them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from forwarder.queue.keys import QueueKeys

#: Where in a row these are: the microsecond at which the worker is forgotten, the number of its call, its grant.
LAST, CALL, GRANT = 1, 2, 4


def unpacked(row: bytes) -> list[Any]:
    """The values of a row: msgpack, one after the other. An array of eight of them is the same after its first byte."""
    found: list[Any] = msgspec.msgpack.decode(b"\x98" + row)
    return found


def packed(parts: Sequence[object]) -> bytes:
    """The opposite."""
    return msgspec.msgpack.encode(parts)[1:]


async def rows(redis: Redis, queue: str) -> dict[str, list[Any]]:
    """By the worker's ID."""
    everything: Any = await redis.hgetall(QueueKeys(queue).workers)
    return {id_.decode(): unpacked(row) for id_, row in everything.items()}
