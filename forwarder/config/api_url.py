"""Which addresses of the API can be sent exactly as they are written. Pure.

Nothing is corrected: what a client would drop, encode or misread is refused, because the address would then be another
one than it looks. No message shows a part of the address, which may contain a secret.
"""

import ipaddress
import re

#: Scheme, authority, path, and what must not follow.
_PARTS = re.compile(r"(?:https?)://([^/?#]*)([^?#]*)(.*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?")
#: A name or an IPv4 address. Names of containers have underscores.
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
#: RFC 3986, section 3.3.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
#: RFC 1035, section 2.3.4.
_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_HIGHEST_PORT = 65535


def check(url: str) -> None:
    """Makes sure that this is an address of HTTP that is sent exactly as it is written.

    Raises:
        ValueError: it is not. The message says what is wrong with it.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not contain blanks or control characters; in the path, write %20 for a blank")
    parts = _PARTS.fullmatch(url)
    if parts is None or not parts[1]:
        raise ValueError("must be http:// or https:// with a host")
    authority, path, rest = parts.groups()
    if "@" in authority:
        raise ValueError("must not contain a user or a password: the API key has a setting of its own")
    if rest:
        raise ValueError("must not contain a query (?) or a fragment (#): the version and the user are added to it")
    check_authority(authority)
    if not _PATH.fullmatch(path):
        raise ValueError("has a path with a character that must be percent-encoded, such as %22 for a quotation mark")
    if _DOT_SEGMENT.search(path):
        raise ValueError("must not contain . or .. as a part of the path: servers remove them")


def shown(url: str) -> str:
    """A valid address, for logs. Of a path only … is shown, as it may contain a secret."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    return f"{scheme}://{authority}" + ("/…" if path else "")


def check_authority(authority: str) -> None:
    """Makes sure that this is a host, with or without a port.

    Raises:
        ValueError: it is not. The message says what is wrong with it.
    """
    parts = _AUTHORITY.fullmatch(authority)
    host, port = parts.groups() if parts is not None else ("", None)
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _HIGHEST_PORT):
        raise ValueError(f"has a port that is not a number from 1 to {_HIGHEST_PORT}")
    if host.startswith("["):
        _check_ipv6(host[1:-1])
        return
    if not host.isascii():
        raise ValueError("must have an ASCII host: write a name with other letters in its xn-- form")
    if not _NAME.fullmatch(host):
        raise ValueError("must have a host of letters, digits, hyphens and dots, or an IPv6 address in brackets")
    if max(map(len, host.split("."))) > _LONGEST_LABEL:
        raise ValueError(f"has a host with more than {_LONGEST_LABEL} characters between two dots: no name has that")
    if len(host.rstrip(".")) > _LONGEST_NAME:
        raise ValueError(f"has a host of more than {_LONGEST_NAME} characters: no name is that long")


def _check_ipv6(host: str) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError("has brackets around something else than an IPv6 address") from None
