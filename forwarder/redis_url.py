"""What a Redis URL says, also one that names Sentinels, which redis-py's own parser does not know. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

# Not urlsplit: several hosts are more than it takes for a URL, and the more so the newer it is.
_SENTINEL_URL = re.compile(
    r"""
    redis(?P<tls>s)?\+sentinel://
    (?: (?P<username> [^:@/?\#]* ) (?: : (?P<password> [^@/?\#]* ) )? @ )?
    (?P<hosts> [^@/?\#]+ )
    / (?P<name> [^/?\#]+ )
    (?: / (?P<db> \d* ) )?
    (?: \? sentinel_password= (?P<sentinel_password> [^&\#]+ ) )?
    """,
    re.VERBOSE,
)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:,\s]+))(?::(?P<port>[1-9]\d{0,4}))?")
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
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "unix" or (parts.scheme in {"redis", "rediss"} and parts.port != 0)
    except ValueError:
        sound = False
    if not sound and sentinels(url) is None:
        raise ValueError(_FORMS)


def sentinels(url: str) -> Sentinels | None:
    """The Sentinels that a URL names; None if it names a Redis itself, or nothing at all."""
    found = _SENTINEL_URL.fullmatch(url)
    hosts = [_HOST.fullmatch(host) for host in found["hosts"].split(",")] if found else []
    if found is None or None in hosts:
        return None
    return Sentinels(
        hosts=tuple((host["v6"] or host["name"], int(host["port"] or _SENTINEL_PORT)) for host in hosts if host),
        name=unquote(found["name"]),
        db=int(found["db"] or 0),
        tls=found["tls"] is not None,
        username=_plain(found["username"]),
        password=_plain(found["password"]),
        sentinel_password=_plain(found["sentinel_password"]),
    )


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def passwords(url: str) -> Iterator[str]:
    """Every password in a URL, percent-encoded as it stands there, and as Redis and its errors know it."""
    found = _SENTINEL_URL.fullmatch(url)
    raw = (found["password"], found["sentinel_password"]) if found else (urlsplit(url).password,)
    for password in raw:
        if password:
            yield from (password, unquote(password))
