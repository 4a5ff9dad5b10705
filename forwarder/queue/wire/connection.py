"""Connecting to Redis, and turning what redis-py raises into this package's errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    ResponseError,
)

from forwarder.errors import ConfigurationError, DeniedError, RefusedError, UnreachableError, WrongTypeError
from forwarder.queue.wire import cluster as clusters
from forwarder.queue.wire import sentinels
from forwarder.queue.wire.login import Login, PasswordRefusedError, Source
from forwarder.queue.wire.url import EXAMPLE, Cluster, Sentinels, Server
from forwarder.queue.wire.wording import is_refusal, said
from forwarder.runtime.cancellation import raise_if_cancelled

__all__ = ["ANSWER_TIMEOUT", "Redis", "connect", "connect_blocking", "text", "translated"]

#: Seconds without an answer after which a command fails. Every blocking command must be shorter.
ANSWER_TIMEOUT = 5.0

_DENIALS = (AuthenticationError, AuthorizationError, NoPermissionError)


def connect(url: str, *, file: Path | None = None, answer_timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for `url` (for its forms, see :mod:`forwarder.queue.wire.url`). It connects at the first command.

    With Sentinels, every new connection asks them for the present master. A master that has become a replica
    refuses writes, which ends its connection, so the client follows a failover. A client of a cluster has the same
    commands. It learns the other nodes from those in the URL, and follows redirections.

    redis-py 8 re-sends a command up to ten times when its reply is lost. That is switched off: only the caller
    knows whether a command may be sent again.

    Args:
        url: of Redis.
        file: that the URL was read from. When Redis refuses the password, it is read again.
        answer_timeout: seconds after which a command without an answer fails.

    Raises:
        ConfigurationError: the URL is not valid.
    """
    source = _source(url, file)
    options = _options(Retry(NoBackoff(), 0), answer_timeout)
    match source.address:
        case Sentinels() as through:
            return sentinels.master(through, source, options)
        case Cluster() as cluster:
            return clusters.client(cluster, Login(source), options)
        case Server() as server:
            return Redis(**_where(server), **Login(source).options, **options)


def connect_blocking(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> blocking.Redis:
    """The same for threads. Any number of threads may share the client; it reconnects after a fork."""
    source = _source(url)
    options = _options(blocking.retry.Retry(NoBackoff(), 0), answer_timeout)
    match source.address:
        case Sentinels() as through:
            return sentinels.blocking_master(through, source, options)
        case Cluster() as cluster:
            return cast("blocking.Redis", clusters.BlockingCluster(cluster, Login(source), options))
        case Server() as server:
            return blocking.Redis(**_where(server), credential_provider=Login(source), **options)


def _source(url: str, file: Path | None = None) -> Source:
    try:
        return Source(url, file)
    except ValueError as error:
        raise ConfigurationError([f"FORWARDER_REDIS_URL: {error}; example: {EXAMPLE}"]) from None


def _where(server: Server) -> dict[str, Any]:
    if server.path is not None:
        return {"unix_socket_path": server.path, "db": server.db}
    return {"host": server.host, "port": server.port, "db": server.db, "ssl": server.tls, **server.tls_options}


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
        raise _unavailable(error) from error
    except asyncio.CancelledError as error:
        # Tasks that wait for the same connection to close share one future (StreamWriter.wait_closed): if one task
        # is cancelled, all of them get a CancelledError. A task group would take it for a cancellation of this task.
        raise_if_cancelled()
        raise UnreachableError("the connection was being closed") from error
    raise_if_cancelled()


async def text(redis: Redis, key: str) -> bytes | None:
    """What a key holds; None if there is no such key.

    Raises:
        WrongTypeError: it holds something else than text. Waiting for Redis would not change that.
        UnreachableError: no answer.
    """
    with translated():
        try:
            return cast("bytes | None", await redis.get(key))
        except ResponseError as error:
            if "WRONGTYPE" in str(error):
                raise WrongTypeError(key, "another type", "text") from error
            raise


def _unavailable(error: Exception) -> UnreachableError:
    if isinstance(error, PasswordRefusedError):
        return DeniedError(said(error), remedy=error.remedy)
    if is_refusal(error):
        return RefusedError(said(error))
    return (DeniedError if isinstance(error, _DENIALS) else UnreachableError)(said(error))
