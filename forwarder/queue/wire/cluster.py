"""Clients of a Redis Cluster, for asyncio and for threads."""

import threading
from typing import Any, Self, cast

import redis.cluster
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.exceptions import AuthenticationError, RedisClusterException, RedisError

from forwarder.queue.wire.login import Login
from forwarder.queue.wire.url import Cluster


def client(cluster: Cluster, login: Login, options: dict[str, Any]) -> Redis:
    """A client with the commands of a client of one server; connects at the first command."""
    return cast("Redis", _Cluster(login, **_where(cluster, ClusterNode), **options))


class _Cluster(RedisCluster):
    """Connects at the first command, not on entering. Every error that it raises is a RedisError."""

    def __init__(self, login: Login, **options: Any) -> None:
        super().__init__(credential_provider=login, **options)
        # Its constructor does not know this option. But it hands these to every node, and they to their connections.
        for given in (self.connection_kwargs, *(node.connection_kwargs for node in self.startup_nodes)):
            given["redis_connect_func"] = login.connected

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:  # no node answers, or no node serves a slot
            if isinstance(error.__cause__, AuthenticationError):
                raise error.__cause__ from error
            raise RedisError(str(error)) from error
        except (RedisError, OSError):
            raise
        except Exception as error:
            # When one task finds that a slot has moved, redis-py closes connections that other tasks are using. Their
            # commands then fail in any way, for example because there is nothing to write to any more.
            raise RedisError("the connection was closed while it was used") from error


class NodePool:
    """The connections to one node of a cluster, with the methods of a connection pool."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    async def get_connection(self) -> Connection:
        """A connection that is open, as far as is known."""
        connection = self._node.acquire_connection()
        try:
            if connection.is_connected and await connection.can_read():
                await connection.disconnect()  # it was closed by the other side, or holds an unread reply
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            self._node.release(connection)
            raise
        return connection

    async def release(self, connection: Connection) -> None:
        """Gives a connection back for reuse."""
        self._node.release(connection)


class BlockingCluster:
    """A client of a cluster for threads. Like the other clients, it connects when it is first used."""

    def __init__(self, cluster: Cluster, login: Login, options: dict[str, Any]) -> None:
        self._options = {**_where(cluster, redis.cluster.ClusterNode), "credential_provider": login, **options}
        self._lock = threading.Lock()
        self._client: redis.cluster.RedisCluster | None = None

    def client(self) -> redis.cluster.RedisCluster:
        """The client, connected."""
        with self._lock:
            if self._client is None:
                self._client = redis.cluster.RedisCluster(**self._options)
            return self._client

    def close(self) -> None:
        """Closes every connection."""
        if self._client is not None:
            self._client.close()


def _where(cluster: Cluster, node: type[Any]) -> dict[str, Any]:
    return {
        "startup_nodes": [node(host, port) for host, port in cluster.hosts],
        "ssl": cluster.tls,
        "require_full_coverage": False,  # while some nodes are down, the lists on the others keep flowing
        **cluster.tls_options,
    }
