"""Which addresses of a proxy the API can be reached through. Pure. No message shows a part of the address."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from forwarder.config.api_url import check_authority

_PARTS = re.compile(r"http://(?:([^@/?#]*)@)?([^@/?#]+:[^@/?#:\]]+)/?", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
#: RFC 3986, section 3.2.1.
_USER_INFO = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_FORM = "must be http://host:port or http://user:password@host:port"


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """The address of a proxy, and who logs in there."""

    #: ``http://host:port``; for logs, too.
    address: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parse(url: str) -> ProxyUrl:
    """The parts of an address, with a user and a password that are not percent-encoded any more.

    Raises:
        ValueError: this is not the address of a proxy that is supported. The message says what is wrong with it.
    """
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() == "https":
        raise ValueError(
            "must be http://: TLS to the proxy is not supported. What goes to an https API is encrypted all the way"
        )
    if scheme is not None and scheme[1].lower() != "http":
        raise ValueError("must be http://: SOCKS and other kinds of proxies are not supported")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise ValueError(f"{_FORM}; in a user or a password write %40 for @, %2F for /, %3F for ?, %23 for #")
    info, authority = parts.groups()
    check_authority(authority)
    return ProxyUrl(f"http://{authority}", *_login(info or ""))


def _login(info: str) -> tuple[str, str]:
    """User and password."""
    if not _USER_INFO.fullmatch(info):
        raise ValueError("has a user or a password with a character that must be percent-encoded, such as %25 for %")
    user, _, password = info.partition(":")
    found = unquote(user, errors="replace"), unquote(password, errors="replace")
    if ":" in found[0]:
        raise ValueError("has a user with a colon (%3A), which Basic authentication cannot send")
    if not "".join(found).isprintable():
        raise ValueError("has a user or a password with a control character")
    return found


def passwords(url: str) -> list[str]:
    """The password in a valid address: percent-encoded as it is there, and decoded."""
    info = url.rpartition("@")[0].partition("://")[2]
    password = info.partition(":")[2]
    return [password, unquote(password)] if password else []
