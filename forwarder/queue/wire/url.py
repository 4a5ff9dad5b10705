"""Parses Redis URLs, including those with several hosts, which redis-py's own parser does not know. Pure.

Several hosts are Sentinels (``redis+sentinel://host,host/name/db``) or nodes of a cluster (``redis+cluster://host,host``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

# Not urlsplit: it rejects a URL with several hosts, and newer versions of Python reject more of them.
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
#: The default ports of a Sentinel and of a Redis (Redis' sentinel.conf and redis.conf).
_PORTS = {"sentinel": 26379, "cluster": 6379}
#: Options that name files for TLS. redis-py has the same names in rediss:// URLs.
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - the name of an option
_FORMS = (
    "must be redis://host:port/db, rediss://…, unix:///path, redis+sentinel://host:port,host:port/name/db "
    "or redis+cluster://host:port,host:port"
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """What Sentinels and clusters have in common. The user and the password are those of Redis itself."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: ssl_ca_certs, ssl_certfile, ssl_keyfile.
    tls_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster(Hosts):
    """Some nodes of a cluster. They know the other nodes."""


@dataclass(frozen=True, slots=True)
class Sentinels(Hosts):
    """A master that the Sentinels know by this name."""

    name: str = ""
    db: int = 0
    #: The password of the Sentinels themselves.
    sentinel_password: str | None = field(default=None, repr=False)


def check(url: str) -> None:
    """Raises :class:`ValueError`, without quoting the URL, if this is not a URL that we can connect to."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "unix" or (parts.scheme in {"redis", "rediss"} and parts.port != 0)
    except ValueError:
        sound = False
    if not sound and hosts(url) is None:
        raise ValueError(_FORMS)


def hosts(url: str) -> Sentinels | Cluster | None:
    """The Sentinels or the cluster that a URL names; None if it names a single Redis, or is not valid."""
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
    # A cluster has only database 0.
    return Cluster(addresses, secure, username, password, options) if name in {"", "0"} and not db else None


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def passwords(url: str) -> Iterator[str]:
    """Every password in a URL: percent-encoded as it is there, and decoded as it may appear in Redis' errors."""
    found = _HOSTS_URL.fullmatch(url)
    # Also those in options: sentinel_password, and redis-py's own password and ssl_password in a plain URL.
    raw = [found["password"] if found else urlsplit(url).password, *re.findall(r"[?&]\w*password=([^&#]*)", url)]
    for password in raw:
        if password:
            yield from (password, unquote(password), unquote_plus(password))
