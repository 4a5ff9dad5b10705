"""Connecting to Redis, and turning what redis-py raises into this package's errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis as blocking
import redis.retry
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
)

from forwarder.cancellation import raise_if_cancelled
from forwarder.errors import ConfigurationError, DeniedError, UnreachableError
from forwarder.logs.redaction import hide
from forwarder.queue.wire import cluster as clusters
from forwarder.queue.wire import sentinels
from forwarder.queue.wire.refusals import said
from forwarder.queue.wire.url import Cluster, Sentinels, hosts, passwords

__all__ = ["ANSWER_TIMEOUT", "Redis", "connect", "connect_blocking", "translated"]

#: Seconds without an answer after which a command fails. Every blocking command must be shorter.
ANSWER_TIMEOUT = 5.0

_DENIALS = (AuthenticationError, AuthorizationError, NoPermissionError)


def connect(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for `url` (for its forms, see :mod:`forwarder.queue.wire.url`). It connects at the first command.

    With Sentinels, every new connection asks them for the present master. A master that has become a replica
    refuses writes, which ends its connection, so the client follows a failover. A client of a cluster has the same
    commands. It learns the other nodes from those in the URL, and follows redirections.

    redis-py 8 re-sends a command up to ten times when its reply is lost. That is switched off: only the caller
    knows whether a command may be sent again.

    Raises:
        ConfigurationError: the URL has an unknown option, or an option has an impossible value.
    """
    _hide_passwords(url)
    options = _options(Retry(NoBackoff(), 0), answer_timeout)
    match hosts(url):
        case Sentinels() as through:
            return sentinels.master(through, options)
        case Cluster() as cluster:
            return clusters.client(cluster, options)
        case None:
            direct: Redis = _direct(Redis, url, options)
            return direct


def connect_blocking(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> blocking.Redis:
    """The same for threads. Any number of threads may share the client; it reconnects after a fork."""
    _hide_passwords(url)
    options = _options(blocking.retry.Retry(NoBackoff(), 0), answer_timeout)
    match hosts(url):
        case Sentinels() as through:
            return sentinels.blocking_master(through, options)
        case Cluster() as cluster:
            return cast("blocking.Redis", clusters.BlockingCluster(cluster, options))
        case None:
            direct: blocking.Redis = _direct(blocking.Redis, url, options)
            return direct


def _direct(kind: type[Any], url: str, options: dict[str, Any]) -> Any:
    try:
        client = kind.from_url(url, **options)
        pool = client.connection_pool
        # The parser accepts any option after the question mark. Only a connection knows which options exist.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, RedisError):
        problem = "FORWARDER_REDIS_URL: an option after the ? is not one of redis-py's, or has an impossible value"
        raise ConfigurationError([problem]) from None
    return client


def _hide_passwords(url: str) -> None:
    # Here, because after connecting we report what Redis replies, and a refusal may quote the AUTH command.
    for password in passwords(url):
        hide(password)


def _options(retry: object, answer_timeout: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "retry": retry,
        "socket_timeout": answer_timeout,
        "socket_connect_timeout": answer_timeout,
        "client_name": "forwarder",
    }


@contextmanager
def translated() -> Iterator[None]:
    """Turns every redis-py error within into :exc:`UnreachableError`.

    This includes error replies (``LOADING``, ``MISCONF``, ``READONLY``, ``OOM``, ``NOAUTH`` …): Redis is
    unavailable, a person may have to fix it, and then the service continues by itself.

    Raises:
        UnreachableError: any error of redis-py; :exc:`DeniedError` if a password or a right is missing.
        asyncio.CancelledError: this task was cancelled meanwhile, even if redis-py swallowed the cancellation.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise_if_cancelled()
        kind = DeniedError if isinstance(error, _DENIALS) else UnreachableError
        raise kind(said(error)) from error
    except asyncio.CancelledError as error:
        # Tasks that wait for the same connection to close share one future (StreamWriter.wait_closed): if one task
        # is cancelled, all of them get a CancelledError. A task group would take it for a cancellation of this task.
        raise_if_cancelled()
        raise UnreachableError("the connection was being closed") from error
    raise_if_cancelled()
