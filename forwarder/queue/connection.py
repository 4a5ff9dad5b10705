"""Connecting to Redis, and turning what redis-py raises into this package's errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from forwarder.errors import UnreachableError

#: Seconds without an answer after which a command is given up. Every blocking command must be shorter.
ANSWER_TIMEOUT = 5.0


def connect(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for `url` (redis://, rediss://, unix://); connects at the first command.

    redis-py 8 re-sends a command up to ten times when its reply is lost. That is switched off: whether a
    command may be sent again is for the caller to know, who then does it itself.
    """
    return Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=answer_timeout,
        socket_connect_timeout=answer_timeout,
        client_name="forwarder",
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turns every redis-py error within into :exc:`UnreachableError`.

    An error reply (``LOADING``, ``MISCONF``, ``READONLY``, ``OOM``, ``NOAUTH`` …) counts as unreachable too:
    Redis cannot serve now, a person may mend it, and the service goes on by itself when that is done.

    Raises:
        asyncio.CancelledError: the task was cancelled meanwhile, even if redis-py swallowed that. It awaits
            by ``asyncio.wait_for``, which before Python 3.12 loses a cancellation that meets its result
            (https://github.com/python/cpython/issues/86296); the task would then never end.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        _be_cancelled()
        raise UnreachableError(f"{type(error).__name__}: {error}") from error
    _be_cancelled()


def _be_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
