"""Connecting to Redis, and turning what redis-py raises into this package's errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis as blocking
import redis.retry
import redis.sentinel
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from forwarder.errors import UnreachableError
from forwarder.redis_url import Sentinels, sentinels

#: Seconds without an answer after which a command is given up. Every blocking command must be shorter.
ANSWER_TIMEOUT = 5.0
#: Seconds that one Sentinel may take to say who the master is, before the next is asked.
_SENTINEL_TIMEOUT = 1.0


def connect(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for `url` (redis://, rediss://, unix://, redis+sentinel://); connects at the first command.

    With Sentinels every new connection asks them who the master is now. A master that has become a replica
    refuses to be written to, which ends its connection: so the client follows a failover.

    redis-py 8 re-sends a command up to ten times when its reply is lost. That is switched off: whether a
    command may be sent again is for the caller to know, who then does it itself.
    """
    options = _options(Retry(NoBackoff(), 0), answer_timeout)
    through = sentinels(url)
    if through is None:
        return Redis.from_url(url, **options)
    master: Redis = _manager(Sentinel, through, options).master_for(through.name, redis_class=_Master)
    return master


def connect_blocking(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> blocking.Redis:
    """The same for threads: a client that any number of them may share, and that connects anew after a fork."""
    options = _options(blocking.retry.Retry(NoBackoff(), 0), answer_timeout)
    through = sentinels(url)
    if through is None:
        return blocking.Redis.from_url(url, **options)
    manager = _manager(blocking.sentinel.Sentinel, through, options)
    master: blocking.Redis = manager.master_for(through.name, redis_class=_BlockingMaster)
    return master


def _options(retry: object, answer_timeout: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "retry": retry,
        "socket_timeout": answer_timeout,
        "socket_connect_timeout": answer_timeout,
        "client_name": "forwarder",
    }


class _Master(Redis):
    """A client of the present master, which also closes its connections to the Sentinels."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        if isinstance(pool, SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()


class _BlockingMaster(blocking.Redis):
    """The same for threads."""

    def close(self) -> None:
        super().close()
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.close()


def _manager(kind: type[Any], through: Sentinels, options: dict[str, Any]) -> Any:
    return kind(
        through.hosts,
        sentinel_kwargs={
            "password": through.sentinel_password,
            "ssl": through.tls,
            "retry": options["retry"],
            "socket_timeout": _SENTINEL_TIMEOUT,
            "socket_connect_timeout": _SENTINEL_TIMEOUT,
        },
        db=through.db,
        username=through.username,
        password=through.password,
        ssl=through.tls,
        **options,
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
