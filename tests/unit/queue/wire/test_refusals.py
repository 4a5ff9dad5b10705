"""What the error replies of Redis 6.2, Redis 7 and Valkey mean for a command, in their own words."""

import ssl

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import AuthenticationError, ConnectionError, RedisClusterException, TimeoutError  # noqa: A004

from forwarder.queue.wire.refusals import refusal, unsent
from forwarder.queue.wire.replies import Lost, RefusalKind, passing

OF_62 = (
    "ERR Error running script (call to f_e6cb21fe285439e7dc2897e87dc5bab520f07992): @user_script:53: @user_script: 53: "
)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (RefusalKind.PASSING, "LOADING Redis is loading the dataset in memory"),
        (RefusalKind.PASSING, "READONLY You can't write against a read only replica."),
        (RefusalKind.PASSING, f"{OF_62}-READONLY You can't write against a read only replica."),
        (RefusalKind.PASSING, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
        (RefusalKind.PASSING, "NOREPLICAS Not enough good replicas to write. script: 0, on @user_script:53."),
        (RefusalKind.PASSING, f"{OF_62}-NOREPLICAS Not enough good replicas to write."),
        (RefusalKind.PASSING, "BUSY Redis is busy running a script. You can only call SCRIPT KILL."),
        (RefusalKind.PASSING, "UNBLOCKED force unblock from blocking operation, instance state changed"),
        (RefusalKind.ELSEWHERE, "CLUSTERDOWN Hash slot not served"),
        (RefusalKind.ELSEWHERE, "TRYAGAIN Multiple keys request during rehashing of slot"),
        (RefusalKind.ELSEWHERE, "MOVED 1 127.0.0.1:7"),
        (RefusalKind.FULL, "OOM command not allowed when used memory > 'maxmemory'."),
        (RefusalKind.FULL, f"{OF_62}-OOM command not allowed when used memory > 'maxmemory'."),
        (RefusalKind.UNKNOWN_SCRIPT, "NOSCRIPT No matching script. Please use EVAL."),
        (RefusalKind.DENIED, "NOPERM this user has no permissions to run the 'eval' command"),
        (RefusalKind.DENIED, "ERR The user executing the script can't run this command or subcommand script: 0"),
        (RefusalKind.DENIED, f"{OF_62}The user executing the script can't run this command or subcommand"),
        (RefusalKind.DENIED, "ERR ACL failure in script: User u has no permissions to run the 'setnx' command"),
        (RefusalKind.DENIED, "ERR unknown command 'EVALSHA', with args beginning with: 'x'"),
        (RefusalKind.DENIED, "ERR Unknown Redis command called from script script: 0, on @user_script:56."),
        (RefusalKind.OTHER, "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (RefusalKind.OTHER, "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to"),
        (RefusalKind.OTHER, "NOAUTH Authentication required."),
    ],
)
def test_each_error_reply_has_its_kind(kind: RefusalKind, said: str) -> None:
    found = refusal(BaseParser.parse_error(said))  # type: ignore[no-untyped-call]
    assert found.kind is kind
    assert passing(found) == (kind in {RefusalKind.PASSING, RefusalKind.ELSEWHERE})


def test_a_lost_connection_is_no_refusal() -> None:
    for error in (ConnectionError("Connection closed by server."), TimeoutError("Timeout reading")):
        with pytest.raises(type(error)):
            refusal(error)
    assert passing(Lost("why"))


def test_only_a_person_can_change_a_password_or_a_certificate() -> None:
    assert passing(unsent(ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused.")))
    assert not passing(unsent(AuthenticationError("invalid username-password pair")))
    wrapped, of_a_cluster = ConnectionError("Error 1"), RedisClusterException("no node")
    wrapped.__context__ = ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED")
    of_a_cluster.__cause__ = AuthenticationError("invalid")
    assert not passing(unsent(wrapped))
    assert not passing(unsent(of_a_cluster))
