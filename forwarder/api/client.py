"""Sends one POST once. Whatever happens to it is an answer, never an exception. Retrying is up to the caller."""

import asyncio
import errno
import hashlib
import ssl
from collections.abc import Iterable
from typing import Self

import aiohttp
from yarl import URL

from forwarder.api.answer import Answer, Declined, Registered, Unanswered, is_object, meaning, retry_after
from forwarder.api.credentials import Credentials
from forwarder.api.request import HEADERS, encode_batch, path_segment, users_url
from forwarder.api.shared_timeout import SharedTimeout
from forwarder.config import Settings

#: At most this many bytes of an answer's body are read, so that its connection can be used again.
_MOST_BODY = 64 * 1024
#: Seconds for the rest of an answer whose status is already known.
_BODY_TIMEOUT = 1.0
#: Seconds that an idle connection is kept. This must be shorter than the server's own limit, because a POST that meets
#: a closing connection fails ambiguously. Node's default is 5 s, and few common servers have a shorter one.
_KEEP_ALIVE = 4.0
#: Errors of this machine, not of the API: it has no descriptor or no memory for a socket.
_NO_SOCKET = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def _unanswered(error: Exception) -> Unanswered:
    """Why no status came, and whether the request may have arrived."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Unanswered("dns", ambiguous=False)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return Unanswered("tls", ambiguous=False)
        case aiohttp.ConnectionTimeoutError():
            return Unanswered("timeout", ambiguous=False)
        case aiohttp.ClientConnectorError(os_error=OSError(errno=number)) if number in _NO_SOCKET:
            return Unanswered("no_socket", ambiguous=False)
        case aiohttp.ClientConnectorError():
            return Unanswered("refused", ambiguous=False)
        case TimeoutError():
            return Unanswered("timeout", ambiguous=True)
        case aiohttp.ServerDisconnectedError() | OSError():
            return Unanswered("reset", ambiguous=True)
    return Unanswered("other", ambiguous=True)


class Api:
    """Sends POSTs over one connection pool. Use it as an async context manager."""

    def __init__(self, *, base: str, version: str, credentials: Credentials, timeout: float) -> None:
        self._users = URL(users_url(base, version), encoded=True)
        self._credentials = credentials
        self._timeout = timeout
        self._deadline = SharedTimeout(timeout)
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_settings(cls, settings: Settings, credentials: Credentials) -> Self:
        return cls(
            base=settings.api_url,
            version=settings.api_version,
            credentials=credentials,
            timeout=settings.request_timeout,
        )

    @property
    def fingerprint(self) -> str:
        """Identifies the address in a halt. A worker that uses another address ends that halt."""
        return hashlib.sha256(str(self._users).encode()).hexdigest()[:12]

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
            # Half of the time is for connecting. A POST that fails so early is not ambiguous: nothing was sent.
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeout / 2),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # Compressed answers are not unpacked, so none is asked for.
            headers={**HEADERS, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        """POSTs one user's events once. Raises nothing but cancellation."""
        assert self._session is not None, "use as an async context manager"  # noqa: S101
        fingerprint = self._credentials.fingerprint
        # The URL is parsed once and the headers belong to the session: parsing and merging them for each POST would
        # take three times as long.
        url = self._users.with_path(f"{self._users.raw_path}{path_segment(user)}/events", encoded=True)
        self._session.headers["Authorization"] = self._credentials.authorization
        request = self._session.post(url, data=encode_batch(bodies), allow_redirects=False)
        try:
            response = await self._deadline.within(request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _unanswered(error)
        what = meaning(response.status)
        if what is None:
            if not response.content.is_eof():  # nearly always the whole body came with the headers
                await _body(response)
            return Registered(response.status)
        believable = is_object(await _body(response))
        return Declined(response.status, what, retry_after(response.headers), fingerprint, believable)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Reads an answer to its end, so that its connection can be used again. Closes it if the rest is long or late.

    Returns the body; nothing if it is not complete.
    """
    body = b""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            while len(body) < _MOST_BODY and (chunk := await response.content.read(_MOST_BODY - len(body))):
                body += chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        body = b"\0" * _MOST_BODY
    if len(body) < _MOST_BODY:
        response.release()
        return body
    response.close()
    return b""
