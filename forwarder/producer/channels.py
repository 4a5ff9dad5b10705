"""The connections of a producer: those of each event loop, or, for threads, those of each process.

A connection of asyncio works only in the loop that opened it, and so do the locks around it. A producer may be used in
many loops all the same: tasks of Celery, asgiref's ``async_to_sync`` and every ``asyncio.run`` bring one of their own.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from types import AsyncGeneratorType
from typing import cast

from forwarder.queue.wire.connection import Redis, connect, connect_blocking

#: At most this many pushes run at once, each on its own connection. Further ones wait for their turn.
_CONNECTIONS = 16


class Channel:
    """The connections of one event loop. Use it only there; when it is forgotten, or the loop ends, they are closed."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.slots = asyncio.Semaphore(_CONNECTIONS)
        self._end = cast("AsyncGeneratorType[None, None]", _end(redis))

    async def open(self) -> None:
        """Call this once. It opens no connection, but makes the loop responsible for closing them."""
        await anext(self._end)

    @property
    def closed(self) -> bool:
        """Whether the connections were closed, perhaps by the end of the loop."""
        return self._end.ag_frame is None

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._end.aclose()


async def _end(redis: Redis) -> AsyncGenerator[None, None]:
    # The one thing that a loop finishes when it ends (`shutdown_asyncgens`, which asyncio.run calls), and when nobody
    # refers to it any more, is an asynchronous generator. So no connection is left open, and nobody has to close it.
    try:
        yield
    finally:
        await redis.aclose()


class Channels:
    """The channel of each event loop."""

    def __init__(self, url: str, answer_timeout: float) -> None:
        self._url = url
        self._answer_timeout = answer_timeout
        self._by_loop: dict[asyncio.AbstractEventLoop, Channel] = {}

    async def here(self) -> Channel:
        """The channel of the running loop."""
        loop = asyncio.get_running_loop()
        channel = self._by_loop.get(loop)
        if channel is None or channel.closed:
            for other in list(self._by_loop):  # another thread may add its own meanwhile
                if other.is_closed():
                    self._by_loop.pop(other, None)
            channel = self._by_loop[loop] = Channel(connect(self._url, answer_timeout=self._answer_timeout))
            await channel.open()
        return channel

    async def aclose(self) -> None:
        """Closes the connections of this loop at once, and those of other loops there, as soon as no push uses them."""
        channel = self._by_loop.pop(asyncio.get_running_loop(), None)
        self._by_loop.clear()
        if channel is not None:
            await channel.aclose()


class BlockingChannel:
    """The connections of one process, for its threads."""

    def __init__(self, url: str, answer_timeout: float) -> None:
        self._url = url
        self._answer_timeout = answer_timeout
        self._pid = os.getpid()
        self.redis = connect_blocking(url, answer_timeout=answer_timeout)
        self.slots = threading.Semaphore(_CONNECTIONS)

    def here(self) -> "BlockingChannel":
        """This one, or a new one in a child process: there, a thread that does not exist may hold a lock for ever."""
        return self if self._pid == os.getpid() else BlockingChannel(self._url, self._answer_timeout)

    def close(self) -> None:
        """Closes the connections."""
        self.redis.close()
