"""The producers' side of a list."""

from collections.abc import Sequence

from redis.asyncio import Redis

from forwarder.queue.claims import Side
from forwarder.queue.connection import translated
from forwarder.queue.keys import Keys


class Pusher:
    """Pushes elements as the newest of a list."""

    def __init__(self, redis: Redis, keys: Keys, *, side: Side) -> None:
        self._redis = redis
        self._keys = keys
        self._side = side

    async def push(self, elements: Sequence[bytes]) -> int:
        """Pushes all or none, in order; returns how many events now wait.

        Raises:
            UnreachableError: they may or may not have been pushed; nothing is ever sent twice.
        """
        with translated():
            if self._side == "left":
                return int(await self._redis.rpush(self._keys.list, *elements))
            return int(await self._redis.lpush(self._keys.list, *elements))
