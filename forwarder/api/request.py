"""The URL, the headers and the body of a POST. Pure; `forwarder dead show` builds its curl command from these."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

#: Sent with every POST, besides the key.
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
#: Bytes of a body without its events and the commas between them.
BATCH_OVERHEAD = len(b'{"events":[]}')


def users_url(base: str, version: str) -> str:
    """The address of all users, such as ``https://api.example.com/v6/users/``. ``{user}/events`` goes behind it."""
    return f"{base.rstrip('/')}/{version}/users/"


def path_segment(user: str) -> str:
    """`user` percent-encoded as one segment of a path: ``a/b`` becomes ``a%2Fb``. Works for every valid user."""
    return quote(user, safe="")


def batch_size(bodies: Sequence[bytes]) -> int:
    """How long the body of one POST is: BATCH_OVERHEAD, the bodies, and one comma between two bodies."""
    return BATCH_OVERHEAD + sum([len(body) for body in bodies]) + len(bodies) - 1


def encode_batch(bodies: Iterable[bytes]) -> bytes:
    """The body of one POST."""
    return b'{"events":[%b]}' % b",".join(bodies)


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers as they are sent."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()


def encode_post(path: str, headers: bytes, authorization: str, body: bytes) -> bytes:
    """The bytes of one POST. `headers`: the lines of those that are the same for all."""
    return b"POST %b HTTP/1.1\r\n%bAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        headers,
        authorization.encode(),
        len(body),
        body,
    )
