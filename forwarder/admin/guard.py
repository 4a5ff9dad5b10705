"""Who may read the page, and who may act: the Host, where a request comes from, and the token. Pure."""

import hmac
import ipaddress
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlsplit

#: So many wrong tokens in so many seconds, by whomever; then nobody's token is looked at until the first is so old.
_GUESSES, _SECONDS = 5, 60.0


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is refused: an HTTP status, and a sentence for whoever reads it."""

    status: int
    error: str
    #: Seconds to wait before it may be tried again; 0 says nothing about that.
    retry_after: int = 0
    #: Whether it was a guess at the token, which is worth a line in the log.
    guess: bool = False


class Guard:
    """Decides by headers alone, before anything is done.

    Args:
        token: without one, nothing may be done and no user's data be seen.
        clock: seconds, monotonic.
    """

    def __init__(self, token: str | None, clock: Callable[[], float]) -> None:
        self._token = token.encode() if token else None
        self._clock = clock
        self._guesses: deque[float] = deque(maxlen=_GUESSES)

    @property
    def armed(self) -> bool:
        """Whether there is a token, and so something to be allowed."""
        return self._token is not None

    def refuses(self, headers: Mapping[str, str]) -> Denial | None:
        """None if the request may act. Whoever guesses slows down everybody, also the one who knows the token.

        A page of another site never gets as far as the token: so it cannot make a browser guess either.
        """
        if self._token is None:
            return Denial(403, "FORWARDER_ADMIN_TOKEN is not set: use the forwarder command")
        if not _same_origin(headers):
            return Denial(403, "this comes from another page")
        wait = self._locked()
        if wait:
            return Denial(429, f"too many wrong tokens: wait {wait} s, or use the forwarder command", wait)
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            return Denial(401, "the token is needed")
        # What is no UTF-8 comes as surrogates, which would be an error to encode otherwise.
        if hmac.compare_digest(given.strip().encode(errors="surrogateescape"), self._token):
            return None
        self._guesses.append(self._clock())
        return Denial(401, "wrong token", guess=True)

    def _locked(self) -> int:
        """Seconds until a token is looked at again, in whole ones; 0 if it is now."""
        if len(self._guesses) < _GUESSES:
            return 0
        return max(0, ceil(self._guesses[0] + _SECONDS - self._clock()))


def _same_origin(headers: Mapping[str, str]) -> bool:
    """Whether no header says that another site's page asks; programs that are no browser send none of these.

    Sec-Fetch-Site is the browser's own word, and right behind a proxy too, which may change the Host that Origin is
    compared with. Old browsers, and all where there is neither TLS nor loopback, send only Origin.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("Host")
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host within a Host header, without its port and brackets; empty if there is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
