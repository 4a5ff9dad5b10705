"""Errors of Redis in words. The texts are those that redis-py 8 writes; real ones are tested where they happen."""

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's
)

from forwarder.logs.redaction import hide
from forwarder.queue.wire.wording import said

REFUSED = "Error 111 connecting to 127.0.0.1:7999. Connect call failed ('127.0.0.1', 7999)."
#: What asyncio says of a name with two addresses.
BOTH_REFUSED = (
    "Multiple exceptions: [Errno 111] Connect call failed ('::1', 6379, 0, 0), "
    "[Errno 111] Connect call failed ('127.0.0.1', 6379)"
)
SHA = "b80b0430fd0f429eb20ce5c93340579d169cb361"
NO_NODE = "Redis Cluster cannot be connected. Please provide at least one reachable node: "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError(REFUSED), "Redis at 127.0.0.1:7999 refused the connection. Is it running?"),
        (
            ConnectionError("Error 111 connecting to 10.0.0.7:6379. 111."),
            "Redis at 10.0.0.7:6379 refused the connection. Is it running?",
        ),
        (
            ConnectionError(f"Error connecting to localhost:6379. {BOTH_REFUSED}."),
            "Redis at localhost:6379 refused the connection. Is it running?",
        ),
        (
            ConnectionError(f"Error connecting to localhost:6379. {BOTH_REFUSED.replace('111', '101', 1)}."),
            f"Redis at localhost:6379 cannot be reached: {BOTH_REFUSED.replace('111', '101', 1)}",
        ),
        (
            ConnectionError("Error -2 connecting to no-such-host:6379. Name or service not known."),
            "the host of Redis at no-such-host:6379 cannot be looked up: Name or service not known",
        ),
        (
            ConnectionError("Error 2 connecting to /run/redis.sock. No such file or directory."),
            "there is no socket /run/redis.sock. Is Redis running?",
        ),
        (
            ConnectionError("Error 113 connecting to 10.0.0.7:6379. No route to host."),
            "Redis at 10.0.0.7:6379 cannot be reached: No route to host",
        ),
        (
            ConnectionError("Error connecting to 10.0.0.7:6379."),
            "Redis at 10.0.0.7:6379 cannot be reached: no reason is given",
        ),
        (
            TimeoutError("Timeout connecting to server"),
            "Redis did not take the connection in time. Is its address right, and does it expect TLS (rediss://)?",
        ),
        (TimeoutError("Timeout reading from 127.0.0.1:6379"), "Redis at 127.0.0.1:6379 did not answer in time"),
        (
            ConnectionError("Error while reading from 127.0.0.1:6379 : (104, 'Connection reset by peer')"),
            "Redis at 127.0.0.1:6379 closed the connection",
        ),
        (ConnectionError("Connection closed by server."), "Redis closed the connection"),
        (
            InvalidResponse('Protocol error, got "H" as reply type byte'),
            'what answers is not a Redis: Protocol error, got "H" as reply type byte',
        ),
        (
            RedisError(NO_NODE + REFUSED),
            "no node of the cluster can be used: Redis at 127.0.0.1:7999 refused the connection. Is it running?",
        ),
        (
            RedisClusterException(NO_NODE + "Cluster mode is not enabled on this node"),
            "no node of the cluster can be used: Cluster mode is not enabled on this node",
        ),
        (AuthenticationError("Authentication required."), "Redis asks for a password: Authentication required."),
        (
            AuthenticationError("invalid username-password pair or user is disabled."),
            "Redis refused the password: invalid username-password pair or user is disabled.",
        ),
        (
            NoPermissionError("this user has no permissions to run the 'rpush' command"),
            "Redis refused the command: this user has no permissions to run the 'rpush' command",
        ),
        (
            OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
            "Redis is full: command not allowed when used memory > 'maxmemory'.",
        ),
        (
            ReadOnlyError("You can't write against a read only replica."),
            "this Redis is a replica and takes no writes: You can't write against a read only replica.",
        ),
        (BusyLoadingError("Redis is loading the dataset in memory"), "Redis is loading the dataset in memory"),
        (
            ResponseError("MISCONF Redis is configured to save"),
            "Redis refused the command: MISCONF Redis is configured to save",
        ),
        (
            ResponseError(
                f"Error running script (call to f_{SHA}): @user_script:59: WRONGTYPE Operation against a key"
            ),
            "Redis refused the command: WRONGTYPE Operation against a key",
        ),
        (
            ResponseError(f"WRONGTYPE Operation against a key script: {SHA}, on @user_script:59."),
            "Redis refused the command: WRONGTYPE Operation against a key",
        ),
        (
            ResponseError(
                f"Error running script (call to f_{SHA}): @user_script:56: @user_script: 56: -OOM command not allowed."
            ),
            "Redis is full: command not allowed.",
        ),
        (
            ResponseError(f"READONLY You can't write against a read only replica. script: {SHA}, on @user_script:59."),
            "this Redis is a replica and takes no writes: You can't write against a read only replica.",
        ),
        (ValueError("else"), "ValueError: else"),
    ],
)
def test_an_error_says_what_happened_and_to_which_address(error: Exception, words: str) -> None:
    assert said(error) == words


def test_neither_a_password_nor_what_a_redis_quotes_of_a_command_is_shown() -> None:
    hide("s3cret-of-redis")
    quoted = ResponseError("unknown command 'AUTH', with args beginning with: 's3cret-of-redis' 'an-event'")
    assert said(quoted) == "Redis refused the command: unknown command 'AUTH'"
    assert said(ConnectionError("closed: s3cret-of-redis")) == "ConnectionError: closed: ***"
