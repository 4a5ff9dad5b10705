"""What redis-py's errors mean for a command that was sent, and how they are shown."""

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
from forwarder.queue.wire.replies import Refusal


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
    """An error in one line, without passwords and without events."""
    return hidden(unquoted(f"{type(error).__name__}: {error}"))


def unquoted(text: str) -> str:
    """The text of one error reply, without the arguments that a Redis quotes when it does not know the command.

    They may be the password of AUTH, or an event of RPUSH.
    """
    return text.partition(", with args beginning with")[0]
