"""Sends one POST once. What happens to it is an answer, never an exception; whether to retry is decided elsewhere."""

import asyncio
import errno
import hashlib
import ssl
from collections.abc import Iterable
from typing import Self

import aiohttp
from yarl import URL

from forwarder.api.answer import Answer, Declined, Registered, Unanswered, meaning, retry_after
from forwarder.api.credentials import Credentials
from forwarder.api.request import HEADERS, encode_batch, path_segment, users_url
from forwarder.api.shared_timeout import SharedTimeout
from forwarder.config import Settings

#: Bytes of an answer's body that are read so that its connection can be used again.
_MOST_BODY = 64 * 1024
#: Seconds given to the rest of an answer whose status is already known.
_BODY_TIMEOUT = 1.0
#: Seconds an idle connection is kept. Must be shorter than the server's own limit: a POST that meets a
#: closing connection fails ambiguously (5 s is Node's default, the shortest among common servers but one).
_KEEP_ALIVE = 4.0
#: Why this machine, and not the other end, has no connection to give.
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
    """Sends batches. One connection pool; use as an async context manager."""

    def __init__(self, *, base: str, version: str, credentials: Credentials, timeout: float) -> None:
        self._users = URL(users_url(base, version), encoded=True)
        self._credentials = credentials
        self._timeout = timeout
        self._deadline = SharedTimeout(timeout)
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_settings(cls, settings: Settings, credentials: Credentials) -> Self:
        """As the settings say."""
        return cls(
            base=settings.api_url,
            version=settings.api_version,
            credentials=credentials,
            timeout=settings.request_timeout,
        )

    @property
    def fingerprint(self) -> str:
        """Names the address, for a halt that only another address ends."""
        return hashlib.sha256(str(self._users).encode()).hexdigest()[:12]

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
            # Half the time for connecting: a connect that fails is known not to have sent anything.
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeout / 2),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=HEADERS,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        """POSTs one user's events once. Raises nothing but cancellation."""
        assert self._session is not None, "use as an async context manager"  # noqa: S101
        fingerprint = self._credentials.fingerprint
        # From what is parsed once, and headers of the session: a third of the time of parsing and merging each.
        url = self._users.with_path(f"{self._users.raw_path}{path_segment(user)}/events", encoded=True)
        self._session.headers["Authorization"] = self._credentials.authorization
        request = self._session.post(url, data=encode_batch(bodies), allow_redirects=False)
        try:
            response = await self._deadline.within(request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _unanswered(error)
        if not response.content.is_eof():  # nearly always all of it came with the headers, and all is done
            await _finish(response)
        what = meaning(response.status)
        if what is None:
            return Registered(response.status)
        return Declined(response.status, what, retry_after(response.headers), fingerprint)


async def _finish(response: aiohttp.ClientResponse) -> None:
    """Reads the rest of an answer if it is short and soon, so that its connection can be used again."""
    left = _MOST_BODY
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
    except (aiohttp.ClientError, TimeoutError, OSError):
        left = 0
    if left > 0:
        response.release()
    else:
        response.close()
