"""What redis-py's errors mean for a command that was sent."""

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

from forwarder.queue.wire.replies import Refusal
from forwarder.queue.wire.wording import said


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
