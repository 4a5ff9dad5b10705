"""What a Redis URL says, also one that names several hosts, which redis-py's own parser does not know. Pure.

Several hosts are Sentinels (``redis+sentinel://host,host/name/db``) or nodes of a cluster (``redis+cluster://host,host``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

# Not urlsplit: several hosts are more than it takes for a URL, and the more so the newer it is.
_HOSTS_URL = re.compile(
    r"""
    redis(?P<tls>s)?\+(?P<kind>sentinel|cluster)://
    (?: (?P<username> [^:@/?\#]* ) (?: : (?P<password> [^@/?\#]* ) )? @ )?
    (?P<hosts> [^@/?\#]+ )
    (?: / (?P<name> [^/?\#]* ) )?
    (?: / (?P<db> \d* ) )?
    (?: \? (?P<options> [^\#]+ ) )?
    """,
    re.VERBOSE,
)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:,\s]+))(?::(?P<port>[1-9]\d{0,4}))?")
#: Where a Sentinel and a Redis listen if nothing else is said (sentinel.conf and redis.conf of Redis).
_PORTS = {"sentinel": 26379, "cluster": 6379}
#: Files for TLS, by the names that redis-py gives them in a rediss:// URL too.
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - the name of an option
_FORMS = (
    "must be redis://host:port/db, rediss://…, unix:///path, redis+sentinel://host:port,host:port/name/db "
    "or redis+cluster://host:port,host:port"
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """What Sentinels and clusters have in common. The password and the user are those of Redis itself."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: For the connection: ssl_ca_certs, ssl_certfile, ssl_keyfile.
    tls_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster(Hosts):
    """Some nodes of a cluster, which know the others."""


@dataclass(frozen=True, slots=True)
class Sentinels(Hosts):
    """A master that Sentinels know by name."""

    name: str = ""
    db: int = 0
    #: The Sentinels' own.
    sentinel_password: str | None = field(default=None, repr=False)


def check(url: str) -> None:
    """Raises :class:`ValueError`, which quotes nothing of the URL, if this is none that can be connected to."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "unix" or (parts.scheme in {"redis", "rediss"} and parts.port != 0)
    except ValueError:
        sound = False
    if not sound and hosts(url) is None:
        raise ValueError(_FORMS)


def hosts(url: str) -> Sentinels | Cluster | None:
    """The Sentinels or the cluster that a URL names; None if it names a Redis itself, or nothing at all."""
    found = _HOSTS_URL.fullmatch(url)
    if found is None:
        return None
    each = [_HOST.fullmatch(host) for host in found["hosts"].split(",")]
    options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
    sentinel_password = options.pop(_SENTINEL_PASSWORD, None) if found["kind"] == "sentinel" else None
    if None in each or not (options.keys() <= _TLS_OPTIONS) or (options and not found["tls"]):
        return None
    addresses = tuple((host["v6"] or host["name"], int(host["port"] or _PORTS[found["kind"]])) for host in each if host)
    secure, username, password = found["tls"] is not None, _plain(found["username"]), _plain(found["password"])
    name, db = unquote(found["name"] or ""), int(found["db"] or 0)
    if found["kind"] == "sentinel":
        sentinels = Sentinels(addresses, secure, username, password, options, name, db, sentinel_password)
        return sentinels if name else None
    # A cluster has but database 0.
    return Cluster(addresses, secure, username, password, options) if name in {"", "0"} and not db else None


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def passwords(url: str) -> Iterator[str]:
    """Every password in a URL, percent-encoded as it stands there, and as Redis and its errors know it."""
    found = _HOSTS_URL.fullmatch(url)
    # Also as options: sentinel_password, and in a plain URL redis-py's own password and ssl_password.
    raw = [found["password"] if found else urlsplit(url).password, *re.findall(r"[?&]\w*password=([^&#]*)", url)]
    for password in raw:
        if password:
            yield from (password, unquote(password), unquote_plus(password))
