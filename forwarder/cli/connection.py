"""Opens the queue that the settings name, for the length of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from forwarder.config import Settings
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.retry import patiently


@asynccontextmanager
async def queue_of(settings: Settings, *, agree: bool = True) -> AsyncIterator[Queue]:
    """The queue of the settings.

    Raises:
        ShardsDisagreeError: on entering, with `agree`; the queue has another number of lists than the settings.
    """
    async with connect(settings.redis_url.get_secret_value(), file=settings.redis_url_file) as redis:
        queue = Queue(redis, settings.queue, settings.shards)
        if agree:
            await patiently(queue.agree)
        yield queue
