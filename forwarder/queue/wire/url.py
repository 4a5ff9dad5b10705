"""Parses Redis URLs, and ignores or guesses nothing in them. Pure.

One Redis is ``redis://``, ``rediss://`` (with TLS) or ``unix://``. Several hosts are Sentinels
(``redis+sentinel://host,host/name/db``) or nodes of a cluster (``redis+cluster://host,host``).

redis-py's own parser is lenient: it takes ``/production`` for database 0, ``/1/2`` for database 12, and passes any
option to its connections. So it is not used.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from urllib.parse import unquote

# Not urlsplit: it rejects a URL with several hosts, and drops line ends and tabs.
_URL = re.compile(r"([a-z+]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]*))?")
_DATABASE = re.compile(r"[0-9]{1,9}")
#: The default ports (Redis' redis.conf and sentinel.conf).
_PORT, _SENTINEL_PORT = 6379, 26379
_LAST_PORT = 65_535
#: Options that name files for TLS. redis-py has the same names.
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
#: The other options of each kind of URL.
_OPTIONS = {
    "server": frozenset({"db"}),
    "unix": frozenset({"db"}),
    "sentinel": frozenset({"sentinel_username", "sentinel_password"}),
    "cluster": frozenset[str](),
}
#: What each scheme stands for, and whether with TLS.
_KINDS = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_FORMS = (
    "must be redis://host:port/db, rediss://…, unix:///path, redis+sentinel://host:port,host:port/name/db "
    "or redis+cluster://host:port,host:port"
)
_ESCAPES = "in a user or a password, write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"

#: A valid URL, for messages.
EXAMPLE = "redis://127.0.0.1:6379/0"


@dataclass(frozen=True, slots=True)
class User:
    """Who logs in; nobody, if there is neither a name nor a password."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)


NOBODY = User()


@dataclass(frozen=True, slots=True)
class Address:
    """What all forms have in common. `tls_options`: ssl_ca_certs, ssl_certfile, ssl_keyfile."""

    user: User = NOBODY
    tls: bool = False
    tls_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> "Address":
        """The address without those who log in."""
        return replace(self, user=NOBODY)


@dataclass(frozen=True, slots=True)
class Server(Address):
    """One Redis: a host and a port, or the path of a socket."""

    host: str = ""
    port: int = 0
    path: str | None = None
    db: int = 0


@dataclass(frozen=True, slots=True)
class Cluster(Address):
    """Some nodes of a cluster. They know the other nodes."""

    hosts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Sentinels(Address):
    """A master that these Sentinels know by its name; `sentinel` logs in to the Sentinels themselves."""

    hosts: tuple[tuple[str, int], ...] = ()
    name: str = ""
    db: int = 0
    sentinel: User = NOBODY

    @property
    def place(self) -> "Sentinels":
        return replace(self, user=NOBODY, sentinel=NOBODY)


def parse(url: str) -> Server | Sentinels | Cluster:
    """What a URL names.

    Raises:
        ValueError: what is wrong with it, in one line that quotes nothing which may be part of a password.
    """
    if not all(character.isprintable() and not character.isspace() for character in url):
        raise ValueError("contains a blank or an invisible character: remove it, or write %20 for a blank")
    found = _URL.fullmatch(url)
    if found is None or found[1] not in _KINDS:
        raise ValueError(_FORMS)
    try:
        return _parsed(found)
    except ValueError as error:
        raise ValueError(f"{error}; {_ESCAPES}" if "@" in url else str(error)) from None


def _parsed(found: re.Match[str]) -> Server | Sentinels | Cluster:
    scheme, authority, path, after, fragment = found.groups()
    kind, tls = _KINDS[scheme]
    if fragment is not None:
        raise ValueError("has a # and something after it")
    if authority.count("@") > 1 or ("@" in path and kind != "unix"):
        raise ValueError("has two @, or a / before the @")
    userinfo, _, hosts = authority.rpartition("@")
    user = _user(*userinfo.partition(":")[::2])
    options = _options(after, _OPTIONS[kind] | (_TLS_OPTIONS if tls else frozenset()))
    files = {name: value for name, value in options.items() if name in _TLS_OPTIONS}
    match kind:
        case "unix":
            return Server(user, path=_socket(hosts, path), db=_database("", options))
        case "sentinel":
            name, db = _master(path)
            sentinel = User(options.get("sentinel_username"), options.get("sentinel_password"))
            return Sentinels(user, tls, files, _hosts(hosts, _SENTINEL_PORT), name, db, sentinel)
        case "cluster":
            if path not in {"", "/", "/0"}:
                raise ValueError("names a database, but a cluster has only database 0")
            return Cluster(user, tls, files, _hosts(hosts, _PORT))
    (host, port), *others = _hosts(hosts, _PORT)
    if others:
        raise ValueError("names several hosts: write redis+sentinel:// or redis+cluster://")
    return Server(user, tls, files, host, port, db=_database(path, options))


def check(url: str) -> None:
    """Raises what :func:`parse` raises."""
    parse(url)


def _plain(text: str, what: str) -> str:
    """The text without its percent-encoding."""
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"has a % in {what} that is not followed by two hexadecimal digits: write %25 for a %")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{what}: its percent-encoding is not UTF-8") from None


def _user(name: str, password: str) -> User:
    return User(_plain(name, "the user") or None, _plain(password, "the password") or None)


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(each, port) for each in text.split(","))


def _host(text: str, default: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or (found["name"] or "").isdigit():
        raise ValueError("has no valid host")
    if found["v6"] is not None:
        try:
            IPv6Address(found["v6"])
        except ValueError:
            raise ValueError(
                "has something in brackets that is not an IPv6 address, as in redis://[::1]:6379"
            ) from None
    port = found["port"]
    if port is not None and not (port and len(port) <= len(str(_LAST_PORT)) and 1 <= int(port) <= _LAST_PORT):
        raise ValueError(f"has a port that is not a number from 1 to {_LAST_PORT}")
    return found["v6"] or found["name"], int(port or default)


def _options(text: str | None, allowed: Collection[str]) -> dict[str, str]:
    """The options after the question mark; each once, with a value, and known here."""
    options: dict[str, str] = {}
    for each in [] if text is None else text.split("&"):
        name, equals, value = each.partition("=")
        # What stands before an @ may be the rest of a password.
        shown = f" ({name})" if re.fullmatch("[a-z_]+", name) and "@" not in (text or "") else ""
        if name in _TLS_OPTIONS - set(allowed):
            raise ValueError(f"has an option for TLS{shown}: write rediss:// in place of redis://")
        if name not in allowed:
            raise ValueError(
                f"has an option that is not known here{shown}; known: {', '.join(sorted(allowed)) or 'none'}"
            )
        if name in options or not (equals and value):
            raise ValueError(f"has an option{shown} twice or without a value")
        if "+" in value:
            raise ValueError(f"has a + in an option{shown}: write %2B for a +, or %20 for a blank")
        options[name] = _plain(value, f"the option {name}")
    return options


def _database(path: str, options: Mapping[str, str]) -> int:
    in_path = path.strip("/") if re.fullmatch("/?|/[^/]+/?", path) else path
    if in_path and "db" in options:
        raise ValueError("names the database twice: after the host, and as the option db")
    number = in_path or options.get("db", "0")
    if _DATABASE.fullmatch(number) is None:
        raise ValueError("has something else than the number of a database after the host, or as the option db")
    return int(number)


def _socket(hosts: str, path: str) -> str:
    if hosts or not path.strip("/") or path.endswith("/"):
        raise ValueError("must have three slashes and the path of a socket, as in unix:///run/redis/redis.sock")
    return _plain(path, "the path")


def _master(path: str) -> tuple[str, int]:
    name, _, db = path.removeprefix("/").partition("/")
    if not name or (db and _DATABASE.fullmatch(db) is None):
        form = "redis+sentinel://host:26379,host:26379/name/0"
        raise ValueError(f"must end with the name of a master, and perhaps the number of a database, as in {form}")
    return _plain(name, "the name of the master"), int(db or 0)


def shown(url: str) -> str:
    """A valid URL, for logs: without those who log in, and without the options that may name secrets."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(_FORMS)
    scheme, authority, path, options, _ = found.groups()
    database = re.search(r"(?:^|&)(db=[0-9]+)", options or "")
    return f"{scheme}://{authority.rpartition('@')[2]}{path}" + (f"?{database[1]}" if database else "")


def passwords(url: str) -> Iterator[str]:
    """Every password in a URL, valid or not: percent-encoded as it is there, and decoded as Redis' errors quote it."""
    found = _URL.fullmatch(url)
    raw = [found[2].rpartition("@")[0].partition(":")[2]] if found else []
    for password in [*raw, *re.findall(r"[?&]\w*password=([^&#]*)", url)]:
        if password:
            yield from (password, unquote(password))
