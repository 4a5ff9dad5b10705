"""Opens the queue that the settings name, for the length of a command."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from forwarder.cli.output import err, problem
from forwarder.config import Settings
from forwarder.queue.queue import Queue
from forwarder.queue.wire import url
from forwarder.queue.wire.connection import connect
from forwarder.retry import PATIENCE, RESTART, patiently

#: Seconds after which a person is told what a command waits for.
_NOTICE = 1.0


@asynccontextmanager
async def queue_of(settings: Settings, *, agree: bool = True) -> AsyncIterator[Queue]:
    """The queue of the settings.

    Raises:
        ShardsDisagreeError: on entering, with `agree`; the queue has another number of lists than the settings.
    """
    async with connect(settings.redis_url.get_secret_value(), file=settings.redis_url_file) as redis:
        queue = Queue(redis, settings.queue, settings.shards)
        if agree:
            with _noticed(settings):
                await patiently(queue.agree, refused=RESTART)
        yield queue


@contextmanager
def _noticed(settings: Settings) -> Iterator[None]:
    """Says on a terminal what is waited for, if it takes long."""

    def say() -> None:
        if err.is_terminal:
            problem(f"waiting up to {PATIENCE:g} s for Redis at {url.shown(settings.redis_url.get_secret_value())}")

    timer = asyncio.get_running_loop().call_later(_NOTICE, say)
    try:
        yield
    finally:
        timer.cancel()
