"""The connections to the API: how long each is used, what it takes, and whether a POST has got one."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace

#: Seconds that an idle connection is kept. This must be shorter than the server's own limit, because a POST that meets
#: a closing connection fails ambiguously. Node's default is 5 s, and few common servers have a shorter one.
_KEEP_ALIVE = 4.0
#: Seconds that a connection is used: between these two, at random for each. A busy connection is never idle, so without
#: a limit a worker would stay with an address that the API's name has left. Example: the name moves while 64
#: connections are busy. They end one after the other, and all of them within 75 s.
_LIFETIME = (45.0, 75.0)
#: Seconds that the addresses of a name are remembered. They add to the lifetime of a connection: 85 s after the name
#: has moved, no POST goes to its old address.
_NAMES = 10
#: Most bytes of one header line, and most headers. aiohttp's own limits, 8,190 and 128, hide a 202 that has a long
#: cookie or policy: its events would be registered again with each attempt.
MOST_LINE = 128 * 1024
MOST_HEADERS = 1_000
#: Most bytes of all headers of an answer. The limits above allow 128 MB, and 64 POSTs may be in flight.
_MOST_HEAD = 1024 * 1024

#: Whether this task's POST has got a connection. From then on it may arrive.
_connected: ContextVar[bool] = ContextVar("connected", default=True)


def begin() -> None:
    """This task begins a POST."""
    _connected.set(False)


def connected() -> bool:
    """Whether this task's POST has got a connection. Without one, nothing of it was sent."""
    return _connected.get()


class Connections(aiohttp.TCPConnector):
    """Makes connections, keeps them for other POSTs, and retires them.

    Args:
        tls: what decides which certificates are trusted; True for the system's.
        clock: seconds, monotonic.
        chance: a random number between two others.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | Literal[True] = True,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(ssl=tls, limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=_NAMES)
        self._clock = clock
        self._chance = chance
        self._factory = partial(self._handler)

    def _handler(self) -> ResponseHandler:
        return _Handler(self._loop, self._clock() + self._chance(*_LIFETIME))

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> Connection:
        """A connection that is not too old. aiohttp calls this once for each POST."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if not isinstance(connection.protocol, _Handler) or self._clock() < connection.protocol.ends:
                _connected.set(True)
                return connection
            connection.close()


class _Handler(ResponseHandler):
    """One connection.

    Args:
        loop: the running one.
        ends: when it is retired, on the clock of :class:`Connections`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ends: float) -> None:
        super().__init__(loop)
        self.ends = ends
        #: Bytes that came before the headers of the answer were complete.
        self._head = 0
        self._in_head = True

    def set_response_params(self, **parameters: Any) -> None:
        """An answer is awaited."""
        self._head, self._in_head = 0, True
        super().set_response_params(**parameters)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The headers of an answer are complete; an interim one is not the answer yet."""
        self._head, self._in_head = 0, data[0].code < 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self._in_head:
            if self._head > _MOST_HEAD:
                self._refuse()
                return
            self._head += len(data)
        super().data_received(data)

    def _refuse(self) -> None:
        self.set_exception(HttpProcessingError(code=400, message="Too many headers received"))
        if self.transport is not None:
            self.transport.close()
