"""Sends one POST once. Whatever happens to it is an answer, never an exception. Retrying is up to the caller."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Self

from yarl import URL

from forwarder.api.answer import Answer, Declined, Registered, is_object, meaning, retry_after
from forwarder.api.connections import begin, connected
from forwarder.api.credentials import Credentials
from forwarder.api.exchange import Exchange
from forwarder.api.failure import unanswered
from forwarder.api.request import encode_batch, path_segment, users_url
from forwarder.api.shared_timeout import SharedTimeout
from forwarder.config import Settings
from forwarder.runtime.cancellation import raise_if_cancelled


class Api:
    """Sends POSTs over one connection pool. Use it as an async context manager.

    Args:
        base: address of the API, without the version.
        version: of the API.
        credentials: sent with every POST.
        timeout: most seconds of a POST.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        base: str,
        version: str,
        credentials: Credentials,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._users = URL(users_url(base, version), encoded=True)
        self._credentials = credentials
        self._timeout = timeout
        self._deadline = SharedTimeout(timeout)
        self._exchange: Exchange | None = None

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
        # Half of the time is for connecting. A POST that fails so early is not ambiguous: nothing was sent.
        self._exchange = Exchange(self._users, connect_timeout=self._timeout / 2, clock=self._clock)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._exchange is not None:
            await self._exchange.close()

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        """POSTs one user's events once. Raises nothing but the cancellation of this task."""
        assert self._exchange is not None, "use as an async context manager"  # noqa: S101
        fingerprint = self._credentials.fingerprint
        begin()
        try:
            path = f"{self._users.raw_path}{path_segment(user)}/events"
            sending = self._exchange.post(path, self._credentials.authorization, encode_batch(bodies))
            response = await self._deadline.within(sending)
        except asyncio.CancelledError as error:
            raise_if_cancelled()
            return unanswered(error, sent=connected())
        except Exception as error:  # noqa: BLE001 - a POST that fails in an unknown way must be retried, too
            return unanswered(error, sent=connected())
        what = meaning(response.status)
        if what is None:
            if not response.complete:
                await response.body()
            return Registered(response.status)
        believable = is_object(await response.body())
        return Declined(response.status, what, retry_after(response.headers), fingerprint, believable)
