"""Which API address has answered 202: a queue remembers the latest one for a week, by its fingerprint."""

from redis.asyncio import Redis

from forwarder.errors import WrongTypeError
from forwarder.queue.keys import QueueKeys
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import text

#: Seconds that an address is remembered: longer than a quiet weekend, and than a worker that is down over one.
KEPT = 7 * 24 * 3600


async def read(redis: Redis, keys: QueueKeys) -> str:
    """Fingerprint of the address that has answered 202, or that a person has vouched for; empty if there is none.

    A key of another type is not ours, and says nothing. The next note replaces it.
    """
    try:
        found = await text(redis, keys.address)
    except WrongTypeError:
        return ""
    return found.decode(errors="replace") if found else ""


async def note(redis: Redis, keys: QueueKeys, fingerprint: str) -> None:
    """Remembers an address that has answered 202, for a week from now."""
    await scripts.run(redis, "note_address", [keys.address], [fingerprint, KEPT])
