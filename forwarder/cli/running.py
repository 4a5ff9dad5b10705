"""How a command runs: its work in an event loop, on the queue that the settings name."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from forwarder.config import Settings
from forwarder.queue import Queue, connect
from forwarder.retry import patiently

T = TypeVar("T")


@asynccontextmanager
async def lists_of(settings: Settings, *, agree: bool = True) -> AsyncIterator[Queue]:
    """The operator's side of the settings' queue.

    Raises:
        ShardsDisagreeError: on entering, with `agree`; the queue has another number of lists than the settings.
    """
    async with connect(settings.redis_url.get_secret_value()) as redis:
        lists = Queue(redis, settings.queue, settings.shards)
        if agree:
            await patiently(lists.agree)
        yield lists


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work in an event loop of its own."""
    return asyncio.run(work)
