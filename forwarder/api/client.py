"""Sends one POST once. Whatever happens to it is an answer, never an exception. Retrying is up to the caller."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

import aiohttp
from yarl import URL

from forwarder.api.answer import Answer, Declined, Registered, Unanswered, is_object, meaning, retry_after
from forwarder.api.connections import MOST_HEADERS, MOST_LINE, Connections, begin, connected
from forwarder.api.credentials import Credentials
from forwarder.api.egress import DIRECT, Egress
from forwarder.api.failure import refused_by_proxy, unanswered
from forwarder.api.request import HEADERS, encode_batch, path_segment, users_url
from forwarder.api.shared_timeout import SharedTimeout
from forwarder.config import Settings
from forwarder.runtime.cancellation import raise_if_cancelled

#: At most this many bytes of an answer's body are read, so that its connection can be used again.
_MOST_BODY = 64 * 1024
#: Seconds for the rest of an answer whose status is already known.
_BODY_TIMEOUT = 1.0


class Api:
    """Sends POSTs over one connection pool. Use it as an async context manager.

    Args:
        base: address of the API, without the version.
        version: of the API.
        credentials: sent with every POST.
        timeout: most seconds of a POST.
        egress: the way to the API.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        base: str,
        version: str,
        credentials: Credentials,
        timeout: float,
        egress: Egress = DIRECT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._egress = egress
        self._users = URL(users_url(base, version), encoded=True)
        self._credentials = credentials
        self._timeout = timeout
        self._deadline = SharedTimeout(timeout)
        # With https the proxy gets them in its own request, CONNECT; with http there is only one request.
        encrypted = self._users.scheme == "https"
        self._login = {} if encrypted else egress.login
        self._tunnel_login = egress.login if encrypted else {}
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_settings(cls, settings: Settings, credentials: Credentials) -> Self:
        return cls(
            base=settings.api_url,
            version=settings.api_version,
            credentials=credentials,
            timeout=settings.request_timeout,
            egress=Egress.from_settings(settings),
        )

    @property
    def proxy(self) -> str | None:
        """The address of the proxy, without user and password; None if POSTs go to the API directly."""
        return self._egress.proxy

    @property
    def fingerprint(self) -> str:
        """Identifies the address in a halt. A worker that uses another address ends that halt."""
        return hashlib.sha256(str(self._users).encode()).hexdigest()[:12]

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=Connections(tls=self._egress.tls, clock=self._clock),
            # Half of the time is for connecting. A POST that fails so early is not ambiguous: nothing was sent.
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeout / 2),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
            max_headers=MOST_HEADERS,
            # A proxy that is asked for a connection gets these too, so no key is among them. Compressed answers are not
            # unpacked, so none is asked for.
            headers={**HEADERS, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        """POSTs one user's events once. Raises nothing but the cancellation of this task."""
        fingerprint = self._credentials.fingerprint
        begin()
        try:
            response = await self._deadline.within(self._request(user, bodies))
        except asyncio.CancelledError as error:
            raise_if_cancelled()
            return self._unanswered(error)
        except Exception as error:  # noqa: BLE001 - a POST that fails in an unknown way must be retried, too
            return self._unanswered(error)
        what = meaning(response.status)
        if what is None:
            if not response.content.is_eof():  # nearly always the whole body came with the headers
                await _body(response)
            return Registered(response.status)
        believable = is_object(await _body(response))
        if self._is_of_proxy(response.status, believable=believable):
            return Unanswered("proxy", ambiguous=False, reason=refused_by_proxy(response.status))
        return Declined(response.status, what, retry_after(response.headers), fingerprint, believable)

    def _unanswered(self, error: BaseException) -> Unanswered:
        return unanswered(error, sent=connected(), proxied=self.proxy is not None)

    def _is_of_proxy(self, status: int, *, believable: bool) -> bool:
        """Whether the proxy refuses to forward a POST. With https it says so before there is a connection.

        A 407 is never the API's. Some proxies answer 401 to a wrong password (tinyproxy) and 403 to what they do not
        let through; the API's own 401 and 403 have a JSON object.
        """
        if self.proxy is None:
            return False
        return status == 407 or (status in {401, 403} and not believable and self._users.scheme == "http")

    def _request(self, user: str, bodies: Iterable[bytes]) -> Awaitable[aiohttp.ClientResponse]:
        """Its result is there once the headers of the answer have arrived."""
        assert self._session is not None, "use as an async context manager"  # noqa: S101
        # The URL is parsed once: parsing it for each POST would take three times as long.
        url = self._users.with_path(f"{self._users.raw_path}{path_segment(user)}/events", encoded=True)
        return self._session.post(
            url,
            data=encode_batch(bodies),
            headers={"Authorization": self._credentials.authorization, **self._login},
            allow_redirects=False,
            proxy=self.proxy,
            proxy_headers=self._tunnel_login,
        )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Reads an answer to its end, so that its connection can be used again. Closes it if the rest is long or late.

    The status is known, so what fails here is only a body that is missing. Returns the body; nothing if it is not
    complete.
    """
    body = b""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            while len(body) < _MOST_BODY and (chunk := await response.content.read(_MOST_BODY - len(body))):
                body += chunk
    except asyncio.CancelledError:
        raise_if_cancelled()
        body = b"\0" * _MOST_BODY
    except Exception:  # noqa: BLE001
        body = b"\0" * _MOST_BODY
    if len(body) < _MOST_BODY:
        response.release()
        return body
    response.close()
    return b""
