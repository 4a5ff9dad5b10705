"""Commands sent together over one connection, once, and what is known of each; for asyncio and without it.

redis-py's own calls say neither whether a command that failed had been sent nor what the replies were that came
before the connection was lost. To a push that must not be doubled, that is all the difference.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis as blocking
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The command was surely not executed; ``full`` if that is because Redis has no memory left."""

    why: str
    full: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """There was no reply: the command may have been executed."""

    why: str


#: A refusal, a lost reply, or what Redis replied.
Reply = Any


async def exchange(redis: Redis, commands: Sequence[Command]) -> list[Reply]:
    """Sends the commands together, and never again; one reply for each.

    A connection whose replies were not all read, also because the task was cancelled, is closed.
    """
    cancelled = _cancellations()
    pool: Any = redis.connection_pool
    try:
        connection = await pool.get_connection()
    except (RedisError, OSError) as error:
        return [Refusal(_said(error))] * len(commands)
    replies: list[Reply] = []
    lost: list[Reply] = []
    try:
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        while len(replies) < len(commands):
            try:
                replies.append(await connection.read_response())
            except RedisError as error:
                replies.append(_refusal(error))
    except (RedisError, OSError) as error:
        lost = [Lost(_said(error))] * (len(commands) - len(replies))
    finally:
        if len(replies) < len(commands):
            await connection.disconnect(nowait=True)
        await pool.release(connection)
    if _cancellations() > cancelled:
        raise asyncio.CancelledError
    return replies + lost


def exchange_blocking(redis: blocking.Redis, commands: Sequence[Command]) -> list[Reply]:
    """The same, by a client that blocks its thread."""
    pool: Any = redis.connection_pool
    try:
        connection = pool.get_connection()
    except (RedisError, OSError) as error:
        return [Refusal(_said(error))] * len(commands)
    replies: list[Reply] = []
    lost: list[Reply] = []
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        while len(replies) < len(commands):
            try:
                replies.append(connection.read_response())
            except RedisError as error:
                replies.append(_refusal(error))
    except (RedisError, OSError) as error:
        lost = [Lost(_said(error))] * (len(commands) - len(replies))
    finally:
        if len(replies) < len(commands):
            connection.disconnect()
        pool.release(connection)
    return replies + lost


def _cancellations() -> int:
    """How often this task was cancelled: before Python 3.12 redis-py may swallow one (see ``connection``)."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _refusal(error: RedisError) -> Refusal:
    """What an error reply means; raises any other error again."""
    # A client of Sentinels makes a broken connection of what a master that was demoted refuses.
    if isinstance(error.__context__, ReadOnlyError):
        return Refusal(_said(error))
    # Redis' own words have a code, as LOADING has; a connection that broke has none.
    if not isinstance(error, ResponseError) and error.status_code is None:
        raise error
    return Refusal(_said(error), full=isinstance(error, OutOfMemoryError) or "OOM " in str(error))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
