"""What becomes of a command that is sent once: Redis' reply, a refusal, or no reply."""

from dataclasses import dataclass
from typing import Any

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from forwarder.logs.redaction import hidden

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The command was surely not executed.

    Attributes:
        full: because Redis has no memory left.
        elsewhere: another node of the cluster serves the key, or will.
        ask: the address of that node, if it is to be asked only this once.
    """

    why: str
    full: bool = False
    elsewhere: bool = False
    ask: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """There was no reply: the command may have been executed."""

    why: str


#: A refusal, a lost reply, or what Redis replied.
Reply = Any


def refusal(error: RedisError) -> Refusal:
    """What an error reply means; raises any other error again."""
    # A client of Sentinels makes a broken connection of what a master that was demoted refuses.
    if isinstance(error.__context__, ReadOnlyError):
        return Refusal(said(error))
    # Redis' own words have a code, as LOADING has; a connection that broke has none.
    if not isinstance(error, ResponseError) and error.status_code is None:
        raise error
    # MovedError is an AskError to redis-py.
    once = (error.host, error.port) if isinstance(error, AskError) and not isinstance(error, MovedError) else None
    return Refusal(
        said(error),
        full=isinstance(error, OutOfMemoryError) or "OOM " in str(error),
        elsewhere=isinstance(error, (AskError, ClusterDownError, TryAgainError)),
        ask=once,
    )


def said(error: Exception) -> str:
    """An error, in a line, without the password: a Redis that does not know AUTH quotes what it was given."""
    return hidden(f"{type(error).__name__}: {error}")
