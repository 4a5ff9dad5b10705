"""What redis-py's errors mean for a command."""

import re
import ssl
from collections.abc import Iterator

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from forwarder.queue.wire.replies import Refusal, RefusalKind
from forwarder.queue.wire.wording import said

_KINDS = {
    **dict.fromkeys(("MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN"), RefusalKind.ELSEWHERE),
    **dict.fromkeys(
        ("LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "BUSY", "UNBLOCKED"),
        RefusalKind.PASSING,
    ),
    "OOM": RefusalKind.FULL,
    "NOPERM": RefusalKind.DENIED,
    "NOSCRIPT": RefusalKind.UNKNOWN_SCRIPT,
}

#: The code of an error that redis-py does not know, or, in Redis 6.2, of one within a script:
#: "Error running script (call to f_0): @user_script:3: @user_script: 3: -OOM command not allowed".
_CODE = re.compile(r"(?:^|: -)([A-Z]+) ")

#: A command within a script that this user may not run, in the words of Redis and of Valkey, or that does not exist.
_NOT_FOR_US = re.compile(r"can't run this command|can't access|ACL failure|[Uu]nknown (?:Redis )?command")

#: Connecting again would not change these.
_FINAL = (AuthenticationError, AuthorizationError, NoPermissionError, ssl.SSLCertVerificationError)


def refusal(error: RedisError) -> Refusal:
    """The refusal that an error reply is. Raises any other error again."""
    # If a demoted master refuses a write, a client of Sentinels reports it as a lost connection.
    if isinstance(error.__context__, ReadOnlyError):
        return Refusal(said(error), RefusalKind.PASSING)
    # An error reply has a code, such as LOADING; a lost connection has none.
    if not isinstance(error, ResponseError) and error.status_code is None:
        raise error
    # In redis-py, MovedError is a subclass of AskError.
    once = (error.host, error.port) if isinstance(error, AskError) and not isinstance(error, MovedError) else None
    return Refusal(said(error), _kind(error), once)


def unsent(error: Exception) -> Refusal:
    """The refusal of a command that was not sent, because there is no connection."""
    final = any(isinstance(each, _FINAL) for each in _causes(error))
    return Refusal(said(error), RefusalKind.OTHER if final else RefusalKind.PASSING)


def _kind(error: RedisError) -> RefusalKind:
    text = str(error)
    for code in (error.status_code, *_CODE.findall(text)):
        if code in _KINDS:
            return _KINDS[code]
    return RefusalKind.DENIED if _NOT_FOR_US.search(text) else RefusalKind.OTHER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
