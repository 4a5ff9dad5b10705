"""Owners of a list, as Redis sees a worker, without a worker."""

from redis.asyncio import Redis

from forwarder.queue.claims import Claims
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease


async def owner(redis: Redis, keys: Keys, *, side: Side = "left", ttl: float = 5.0) -> Claims:
    """Acquires a list that nobody owns. ``lease.release()`` gives it back."""
    lease = Lease(redis, keys, ttl=ttl)
    assert await lease.acquire() is not None
    return Claims(lease, side=side)
