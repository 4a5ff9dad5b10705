"""Connecting to Redis, and turning what redis-py raises into this package's errors."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import redis as blocking
import redis.cluster
import redis.retry
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
)

from forwarder.errors import ConfigurationError, DeniedError, UnreachableError
from forwarder.logs.redaction import hide
from forwarder.queue.wire import sentinels
from forwarder.queue.wire.replies import said
from forwarder.queue.wire.url import Cluster, Sentinels, hosts, passwords

#: Seconds without an answer after which a command is given up. Every blocking command must be shorter.
ANSWER_TIMEOUT = 5.0

_DENIALS = (AuthenticationError, AuthorizationError, NoPermissionError)


def connect(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for `url` (:mod:`forwarder.queue.wire.url` tells the forms); connects at the first command.

    With Sentinels every new connection asks them who the master is now. A master that has become a replica
    refuses to be written to, which ends its connection: so the client follows a failover. A client of a cluster
    has the same commands; it learns the nodes from those that it is given, and follows redirections, which are
    refusals.

    redis-py 8 re-sends a command up to ten times when its reply is lost. That is switched off: whether a
    command may be sent again is for the caller to know, who then does it itself.

    Raises:
        ConfigurationError: the URL has options that make no sense.
    """
    _hide_passwords(url)
    options = _options(Retry(NoBackoff(), 0), answer_timeout)
    match hosts(url):
        case Sentinels() as through:
            return sentinels.master(through, options)
        case Cluster() as cluster:
            return cast("Redis", _cluster(_Cluster, ClusterNode, cluster, options))
        case None:
            direct: Redis = _direct(Redis, url, options)
            return direct


def connect_blocking(url: str, *, answer_timeout: float = ANSWER_TIMEOUT) -> blocking.Redis:
    """The same for threads: a client that any number of them may share, and that connects anew after a fork."""
    _hide_passwords(url)
    options = _options(blocking.retry.Retry(NoBackoff(), 0), answer_timeout)
    match hosts(url):
        case Sentinels() as through:
            return sentinels.blocking_master(through, options)
        case Cluster() as cluster:
            return cast("blocking.Redis", BlockingCluster(cluster, options))
        case None:
            direct: blocking.Redis = _direct(blocking.Redis, url, options)
            return direct


def _direct(kind: type[Any], url: str, options: dict[str, Any]) -> Any:
    try:
        client = kind.from_url(url, **options)
        pool = client.connection_pool
        # The parser takes whatever stands after the question mark; only a connection knows what there is.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, RedisError):
        problem = "FORWARDER_REDIS_URL: an option after the ? is none of redis-py's, or cannot have this value"
        raise ConfigurationError([problem]) from None
    return client


def _hide_passwords(url: str) -> None:
    # Here, because whoever connects will tell what Redis replies, and that may quote the command that it refuses.
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


class _Cluster(RedisCluster):
    """Connects at the first command, not on entering; and an error that is none of redis-py's own becomes one."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:  # no node answers, or a slot is nobody's
            raise RedisError(str(error)) from error


class NodePool:
    """The connections to one node of a cluster, as a connection pool has them."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    async def get_connection(self) -> Connection:
        """A connection that is open, as far as can be known."""
        connection = self._node.acquire_connection()
        try:
            if connection.is_connected and await connection.can_read():
                await connection.disconnect()  # closed by the other side, or a reply that nobody read
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            self._node.release(connection)
            raise
        return connection

    async def release(self, connection: Connection) -> None:
        """For the next one who asks."""
        self._node.release(connection)


class BlockingCluster:
    """A client of a cluster for threads that connects when it is first asked for, as the others do."""

    def __init__(self, cluster: Cluster, options: dict[str, Any]) -> None:
        self._cluster = cluster
        self._options = options
        self._lock = threading.Lock()
        self._client: redis.cluster.RedisCluster | None = None

    def client(self) -> redis.cluster.RedisCluster:
        """The client, connected."""
        with self._lock:
            if self._client is None:
                kind, node = redis.cluster.RedisCluster, redis.cluster.ClusterNode
                self._client = _cluster(kind, node, self._cluster, self._options)
            return self._client

    def close(self) -> None:
        """Closes every connection."""
        if self._client is not None:
            self._client.close()


def _cluster(kind: type[Any], node: type[Any], cluster: Cluster, options: dict[str, Any]) -> Any:
    return kind(
        startup_nodes=[node(host, port) for host, port in cluster.hosts],
        username=cluster.username,
        password=cluster.password,
        ssl=cluster.tls,
        require_full_coverage=False,  # while a part of it is down, the lists of the others flow on
        **cluster.tls_options,
        **options,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turns every redis-py error within into :exc:`UnreachableError`.

    An error reply (``LOADING``, ``MISCONF``, ``READONLY``, ``OOM``, ``NOAUTH`` …) counts as unreachable too:
    Redis cannot serve now, a person may fix it, and the service goes on by itself when that is done.

    Raises:
        UnreachableError: any error of redis-py; :exc:`DeniedError` if a password or a right is missing.
        asyncio.CancelledError: the task was cancelled meanwhile, even if redis-py swallowed that. It awaits
            by ``asyncio.wait_for``, which before Python 3.12 loses a cancellation that meets its result
            (https://github.com/python/cpython/issues/86296); the task would then never end.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        _be_cancelled()
        kind = DeniedError if isinstance(error, _DENIALS) else UnreachableError
        raise kind(said(error)) from error
    except asyncio.CancelledError as error:
        # Tasks that wait for the same connection to close wait for one future (StreamWriter.wait_closed): when one
        # of them is cancelled, so are all. A task group would take this one for cancelled and say nothing.
        _be_cancelled()
        raise UnreachableError("the connection was being closed") from error
    _be_cancelled()


def _be_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
