"""What a Redis URL says, also one that names Sentinels, which redis-py's own parser does not know. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PLAIN = {"redis", "rediss", "unix"}
_SENTINEL = {"redis+sentinel": False, "rediss+sentinel": True}
#: Where a Sentinel listens if nothing else is said (sentinel.conf of Redis).
_SENTINEL_PORT = 26379
_FORMS = "must be redis://host:port/db, rediss://…, unix:///path or redis+sentinel://host:port,host:port/name/db"


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A master that Sentinels know by name; the first three passwords and users are the master's."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    db: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: The Sentinels' own.
    sentinel_password: str | None = field(default=None, repr=False)


def check(url: str) -> None:
    """Raises :class:`ValueError`, which quotes nothing of the URL, if this is none that can be connected to."""
    parts = urlsplit(url)
    try:
        sound = parts.scheme in _PLAIN and (parts.scheme == "unix" or parts.port != 0)
        sound = sound or (parts.scheme in _SENTINEL and _sentinels(parts) is not None)
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(_FORMS)


def sentinels(url: str) -> Sentinels | None:
    """The Sentinels that a URL names, or None if it names a Redis itself. It must have passed :func:`check`."""
    parts = urlsplit(url)
    return _sentinels(parts) if parts.scheme in _SENTINEL else None


def _sentinels(parts: SplitResult) -> Sentinels | None:
    name, _, db = parts.path.removeprefix("/").partition("/")
    query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    own = query.pop("sentinel_password", [None])[0]
    hosts = tuple(_host(host) for host in parts.netloc.rpartition("@")[2].split(","))
    if not name or query or parts.fragment:
        return None
    return Sentinels(
        hosts=hosts,
        name=unquote(name),
        db=int(db or 0),
        tls=_SENTINEL[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sentinel_password=own,
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    port = parts.port
    if not parts.hostname or port == 0:
        raise ValueError("a Sentinel needs a host, and no port 0")
    return parts.hostname, port or _SENTINEL_PORT


def passwords(url: str) -> Iterator[str]:
    """Every password in a URL, percent-encoded as it stands there, and as Redis and its errors know it."""
    parts = urlsplit(url)
    own = parts.query.partition("sentinel_password=")[2].partition("&")[0]
    for password in (parts.password, own):
        if password:
            yield from (password, unquote(password))
