"""Who may read the page, and who may act: the Host, where a request comes from, and the token. Pure."""

import hmac
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from math import ceil
from urllib.parse import urlsplit

#: After this many wrong tokens within `_SECONDS`, no token is accepted from anybody until the first of them is
#: older. After wrong tokens at 0, 10, 20, 30 and 40 s: until 60 s.
_GUESSES = 5
#: Seconds for which a wrong token counts.
_SECONDS = 60.0
#: A Host header (RFC 9110, section 7.2): a name or an address, an IPv6 address in brackets, and perhaps a port.
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is refused: an HTTP status, and a sentence for people."""

    status: int
    error: str
    #: Seconds until the request may be sent again; 0 if that does not depend on time.
    retry_after: int = 0
    #: Whether the request had a wrong token, which is logged.
    guess: bool = False


class Guard:
    """Decides by headers alone, before anything is done.

    Args:
        token: if it is None, nobody may act or see user data.
        clock: seconds, monotonic.
    """

    def __init__(self, token: str | None, clock: Callable[[], float]) -> None:
        self._token = token.encode() if token else None
        self._clock = clock
        self._guesses: deque[float] = deque(maxlen=_GUESSES)

    @property
    def armed(self) -> bool:
        """Whether there is a token. Without one, every request to act is refused."""
        return self._token is not None

    def refuses(self, headers: Mapping[str, str]) -> Denial | None:
        """Why the request may not act; None if it may. Guessing slows down everybody, even people with the token.

        Requests from another site's page are refused before the token is compared, so such a page cannot make a
        browser guess.
        """
        if self._token is None:
            return Denial(403, "FORWARDER_ADMIN_TOKEN is not set: set it, or use the forwarder command")
        if not _same_origin(headers):
            return Denial(403, "the request comes from another site's page")
        wait = self._locked()
        if wait:
            return Denial(429, f"too many wrong tokens: wait {wait} s, or use the forwarder command", wait)
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            return Denial(401, "the token is missing: send it as Authorization: Bearer TOKEN")
        # Bytes that are not UTF-8 arrive as surrogates, which a strict encoder refuses.
        if hmac.compare_digest(given.strip().encode(errors="surrogateescape"), self._token):
            return None
        self._guesses.append(self._clock())
        return Denial(401, "wrong token", guess=True)

    def _locked(self) -> int:
        """Whole seconds until a token is compared again; 0 if it is compared now."""
        if len(self._guesses) < _GUESSES:
            return 0
        return max(0, ceil(self._guesses[0] + _SECONDS - self._clock()))


def _same_origin(headers: Mapping[str, str]) -> bool:
    """Whether no header says that the request comes from another site's page. Only browsers send these headers.

    Sec-Fetch-Site is decided by the browser. It is right even behind a proxy that changes the Host, which Origin is
    compared with. Old browsers send only Origin, and so do all browsers without TLS on an address that is not loopback.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("Host")
    except ValueError:
        return False


class Hosts:
    """Which Host headers are answered.

    A page of another site could read ours through a browser if the name of that site resolves to this machine (DNS
    rebinding). The browser then sends that name as Host, so a name must be known. An address needs no resolving, and so
    cannot be such a name. Nor can localhost, which browsers resolve themselves.

    Args:
        names: the names that are answered, beside localhost.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset({"localhost", *(name.lower() for name in names)})

    def answer(self, headers: Iterable[str]) -> bool:
        """Whether a request with these Host headers is answered. Browsers always send one; other clients need not."""
        return all(not header or self._answers(header) for header in headers)

    def _answers(self, header: str) -> bool:
        found = _HOST.fullmatch(header)
        return found is not None and (found["name"].lower() in self._names or _is_address(found["name"]))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
