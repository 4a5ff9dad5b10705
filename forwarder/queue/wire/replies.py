"""The outcome of a command that is sent once: Redis' reply, a refusal, or no reply."""

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
    """The command was certainly not executed.

    Attributes:
        why: what Redis said.
        full: Redis has no memory left.
        elsewhere: another node of the cluster serves the key, or will serve it.
        ask: the address of that node, if only this command is to be sent there.
    """

    why: str
    full: bool = False
    elsewhere: bool = False
    ask: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """There was no reply. The command may have been executed."""

    why: str


#: A refusal, a lost reply, or what Redis replied.
Reply = Any


def refusal(error: RedisError) -> Refusal:
    """The refusal that an error reply is. Raises any other error again."""
    # If a demoted master refuses a write, a client of Sentinels reports it as a lost connection.
    if isinstance(error.__context__, ReadOnlyError):
        return Refusal(said(error))
    # An error reply has a code, such as LOADING; a lost connection has none.
    if not isinstance(error, ResponseError) and error.status_code is None:
        raise error
    # In redis-py, MovedError is a subclass of AskError.
    once = (error.host, error.port) if isinstance(error, AskError) and not isinstance(error, MovedError) else None
    return Refusal(
        said(error),
        full=isinstance(error, OutOfMemoryError) or "OOM " in str(error),
        elsewhere=isinstance(error, (AskError, ClusterDownError, TryAgainError)),
        ask=once,
    )


def said(error: Exception) -> str:
    """An error in one line, without passwords: a Redis without the AUTH command quotes its arguments."""
    return hidden(f"{type(error).__name__}: {error}")
