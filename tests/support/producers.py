"""Both producers behind one interface, so that each test tests both of them."""

import asyncio
from typing import Any, Self

from redis.asyncio import Redis

from forwarder import Producer, SyncProducer
from forwarder.demo.redis_server import EmbeddedRedis


class Threaded:
    """A :class:`SyncProducer` in a thread, awaited."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._producer = SyncProducer(*arguments, **options)

    async def __aenter__(self) -> Self:
        self._producer.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._producer.__exit__, None, None, None)

    async def push(self, *arguments: Any, **members: Any) -> None:
        await asyncio.to_thread(self._producer.push, *arguments, **members)

    async def push_many(self, events: Any, **options: Any) -> None:
        await asyncio.to_thread(self._producer.push_many, events, **options)


Kind = type[Producer] | type[Threaded]
KINDS: list[Kind] = [Producer, Threaded]


def connected(server: EmbeddedRedis) -> Redis:
    """A client that reads what was pushed."""
    client: Redis = Redis.from_url(server.url)
    return client
