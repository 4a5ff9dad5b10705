"""Clients of a Redis Cluster, for asyncio and for threads."""

import threading
from typing import Any, Self, cast

import redis.cluster
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.exceptions import RedisClusterException, RedisError

from forwarder.queue.wire.url import Cluster


def client(cluster: Cluster, options: dict[str, Any]) -> Redis:
    """A client with the commands of a client of one server; connects at the first command."""
    return cast("Redis", _client(_Cluster, ClusterNode, cluster, options))


class _Cluster(RedisCluster):
    """Connects at the first command, not on entering. Every error that it raises is a RedisError."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:  # no node answers, or no node serves a slot
            raise RedisError(str(error)) from error


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
                self._client = _client(kind, node, self._cluster, self._options)
            return self._client

    def close(self) -> None:
        """Closes every connection."""
        if self._client is not None:
            self._client.close()


def _client(kind: type[Any], node: type[Any], cluster: Cluster, options: dict[str, Any]) -> Any:
    return kind(
        startup_nodes=[node(host, port) for host, port in cluster.hosts],
        username=cluster.username,
        password=cluster.password,
        ssl=cluster.tls,
        require_full_coverage=False,  # while some nodes are down, the lists on the others keep flowing
        **cluster.tls_options,
        **options,
    )
