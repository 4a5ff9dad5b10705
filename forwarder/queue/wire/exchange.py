"""Sends commands together over one connection, each once, and returns what is known of each; asyncio and blocking.

If a connection is lost, redis-py's own calls report neither whether the command had been sent nor the replies that
had already arrived. A push that must not be doubled needs both.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import redis as blocking
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from forwarder.queue.wire.cluster import BlockingCluster, NodePool
from forwarder.queue.wire.nodes import Trips
from forwarder.queue.wire.refusals import refusal, unsent
from forwarder.queue.wire.replies import Command, Lost, Refusal, RefusalKind, Reply, passing
from forwarder.queue.wire.wording import said
from forwarder.runtime.cancellation import cancellations


async def exchange(redis: Redis, commands: Sequence[Command]) -> list[Reply]:
    """Sends each command once and returns one reply for each. In a cluster, to the nodes that serve their keys."""
    if isinstance(redis, RedisCluster):
        return await _to_nodes(redis, commands)
    return await _over(redis.connection_pool, commands)


async def _over(pool: Any, commands: Sequence[Command]) -> list[Reply]:
    """Sends them over one connection of a pool.

    If not all replies were read, for example because the task was cancelled, the connection is closed: its next user
    would take the rest for its own replies. Usually redis-py has closed it already. If a reply says that this
    Redis does not serve now, the connection is closed too: a new one may lead to another master.
    """
    cancelled = cancellations()
    replies: list[Reply] = []
    lost: list[Reply] = []
    try:
        connection = await pool.get_connection()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
        return [unsent(error)] * len(commands)
    try:
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        while len(replies) < len(commands):
            try:
                replies.append(await connection.read_response())
            except RedisError as error:
                replies.append(refusal(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the commands may have been executed
        lost = [Lost(said(error))] * (len(commands) - len(replies))
    finally:
        with suppress(Exception):  # it says nothing about the commands
            if len(replies) < len(commands) or _not_serving(replies):
                await connection.disconnect(nowait=True)
            await pool.release(connection)
    if cancellations() > cancelled:
        raise asyncio.CancelledError
    return replies + lost


def _not_serving(replies: Sequence[Reply]) -> bool:
    """Whether a new connection may succeed, perhaps to another server: behind one name, the master may change."""
    return any(isinstance(reply, Refusal) and reply.kind is RefusalKind.PASSING for reply in replies)


def exchange_blocking(redis: blocking.Redis, commands: Sequence[Command]) -> list[Reply]:
    """The same with a client that blocks its thread."""
    if isinstance(redis, BlockingCluster):
        return _to_nodes_blocking(redis, commands)
    return _over_blocking(redis.connection_pool, commands)


def _over_blocking(pool: Any, commands: Sequence[Command]) -> list[Reply]:
    """Like :func:`_over`, line by line, because code that awaits and code that blocks cannot be shared."""
    replies: list[Reply] = []
    lost: list[Reply] = []
    try:
        connection = pool.get_connection()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
        return [unsent(error)] * len(commands)
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        while len(replies) < len(commands):
            try:
                replies.append(connection.read_response())
            except RedisError as error:
                replies.append(refusal(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the commands may have been executed
        lost = [Lost(said(error))] * (len(commands) - len(replies))
    finally:
        with suppress(Exception):  # it says nothing about the commands
            if len(replies) < len(commands) or _not_serving(replies):
                connection.disconnect()
            pool.release(connection)
    return replies + lost


async def _to_nodes(cluster: RedisCluster, commands: Sequence[Command]) -> list[Reply]:
    """Sends the commands to the nodes that serve their keys, and follows redirections."""
    try:
        await cluster.initialize()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
        return [unsent(error)] * len(commands)
    going = Trips(commands, partial(_serving, cluster), cluster.get_node).run()
    try:
        parts = next(going)
        while True:
            replied = await asyncio.gather(*(_over(NodePool(node), part.commands) for node, part in parts.items()))
            if _astray(replied):
                with suppress(Exception):  # then the nodes are asked next time
                    await cluster.nodes_manager.initialize()
            parts = going.send(dict(zip(parts, replied, strict=True)))
    except StopIteration as end:
        return list(end.value)


def _to_nodes_blocking(cluster: BlockingCluster, commands: Sequence[Command]) -> list[Reply]:
    """The same, one node after the other."""
    try:
        client = cluster.client()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
        return [unsent(error)] * len(commands)
    going = Trips(commands, partial(_serving, client), client.get_node).run()
    try:
        parts = next(going)
        while True:
            replied = [_to_node_blocking(client, node, part.commands) for node, part in parts.items()]
            if _astray(replied):
                with suppress(Exception):  # then the nodes are asked next time
                    client.nodes_manager.initialize()
            parts = going.send(dict(zip(parts, replied, strict=True)))
    except StopIteration as end:
        return list(end.value)


def _to_node_blocking(client: Any, node: Any, commands: Sequence[Command]) -> list[Reply]:
    try:
        pool = client.get_redis_connection(node).connection_pool
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
        return [unsent(error)] * len(commands)
    return _over_blocking(pool, commands)


async def one_on_each(redis: Redis, keys: Sequence[str]) -> set[str]:
    """One of these keys for each server that serves some of them. Without a cluster that is the first one."""
    if not isinstance(redis, RedisCluster):
        return set(keys[:1])
    with suppress(Exception):  # a command for one of the keys raises what is wrong
        await redis.initialize()
    return set({getattr(_serving(redis, key), "name", ""): key for key in keys}.values())


def _serving(cluster: Any, key: str | bytes | int) -> Any:
    """The node that is known to serve a key; None if there is none."""
    with suppress(RedisClusterException):
        return cluster.get_node_from_key(key)
    return None


def _astray(replied: Iterable[Sequence[Reply]]) -> bool:
    """Whether something failed that may succeed over other connections, or at other nodes of the cluster."""
    return any(passing(reply) for replies in replied for reply in replies)
