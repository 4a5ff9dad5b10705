"""The URL, the headers and the body of a POST. Pure; `forwarder dead show` builds its curl command from these."""

from collections.abc import Iterable, Sequence
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
