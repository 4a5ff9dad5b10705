"""The stand-in's sockets, and the order in which it judges a request."""

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from forwarder.simulator.control import PATHS, control
from forwarder.simulator.faults import Answer, Faults
from forwarder.simulator.ledger import Ledger, Request
from forwarder.simulator.script import Cut, Script
from forwarder.simulator.wire import Post, objection, objection_to_body, read_post

_USUAL_BODIES = {204: "", 304: "", 401: '{"error":"unauthorized"}'}
_LINGER_ZERO = struct.pack("ii", 1, 0)
# For handlers that were cancelled: they end in the next turns of the event loop.
_STOP_SECONDS = 5.0


class Simulator:
    """Listens like the API, accepts what the API would accept, and fails as scripted.

    The first of these that applies decides:

    1. ``down``, and an ``outage`` that refuses: the connection is reset, a new one before anything
       is read, an open one at its next request; this includes ``/ledger`` and ``/faults``
    2. ``/ledger`` and ``/faults`` answer; no further fault applies to them
    3. an ``outage`` that answers 503 or hangs, ``status_all``, ``hang_rate``, ``reset_before_rate``
    4. 404 for another path, 405 for another method, 401, 400 for missing headers
    5. ``max_body_bytes`` and ``max_events``: 413; then 400 for a malformed body
    6. ``max_rate``: 429; then ``users``, ``statuses``, and ``refuse``: 400
    7. the events are in the ledger, all at once; ``reset_after_rate``, else 202

    ``latency`` comes after the decision. It delays every answer of 3 to 7, but not a reset.

    Attributes:
        api_key: the only password that is accepted; it may be changed at any time.
        down: while true, every connection is reset.
        ledger: what was accepted and what arrived; stop and start do not change it.
    """

    def __init__(
        self,
        api_key: str,
        *,
        faults: Faults | None = None,
        seed: int = 0,
        keep_requests: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.api_key = api_key
        self.down = False
        self.ledger = Ledger(keep_requests=keep_requests)
        self._script = Script(faults or Faults(), seed=seed, clock=clock)
        self._clock = clock
        self._sleep = sleep
        self._host = ""
        self._port = 0
        self._connections: _Connections | None = None
        self._listener: asyncio.Server | None = None

    @property
    def faults(self) -> Faults:
        """The faults that are played; new ones apply from the next request on."""
        return self._script.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._script.load(faults)

    @property
    def posts(self) -> Counter[int]:
        """Number of requests that were answered with each status."""
        return self.ledger.posts

    @property
    def port(self) -> int:
        """The port of the latest start, even after a stop."""
        return self._port

    @property
    def url(self) -> str:
        """The address of the latest start, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens; port 0 takes a free port. The clock of an outage starts here.

        Raises:
            OSError: the address is taken or cannot be used.
            RuntimeError: it is already listening.
        """
        if self._listener is not None:
            raise RuntimeError("the simulator is already listening")
        connections = _Connections(self._serve, self._refuses_connections)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(connections, host, port, reuse_address=True)
        self._connections = connections
        self._host, self._port = host, self._listener.sockets[0].getsockname()[1]
        self._script.restart()

    async def stop(self) -> None:
        """Stops listening, and cuts every connection immediately, whatever it waits for. Idempotent."""
        listener, connections = self._listener, self._connections
        self._listener = self._connections = None
        if listener is not None and connections is not None:
            listener.close()
            await connections.cut()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _refuses_connections(self) -> bool:
        return self.down or self._script.refuses_connections()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._refuses_connections():
            return await _reset(request)
        if request.path in PATHS:
            return await control(request, self.ledger, self._script)
        post = await read_post(request)
        arrived = Request(self._clock(), post.user, len(post.events))
        self.ledger.arrive(arrived)
        match self._decide(request, post, arrived):
            case Cut.HANG:
                return await _until_disconnected()
            case Cut.RESET:
                return await _reset(request)
            case response:
                return await self._answer(arrived, response)

    def _decide(self, request: web.BaseRequest, post: Post, arrived: Request) -> Cut | web.Response:
        faults = self._script.faults
        instead = (
            self._script.for_everybody()
            or objection(request, post, self.api_key)
            or objection_to_body(post, faults.max_body_bytes, faults.max_events)
            or self._script.before_accepting(post.user, post.events)
        )
        match instead:
            case Answer():
                return _response(instead)
            case Cut():
                return instead
        self.ledger.accept(post.user, post.events, arrived)
        return Cut.RESET if self._script.resets_after_accepting() else _accepted()

    async def _answer(self, arrived: Request, response: web.Response) -> web.Response:
        delay = self._script.delay()
        if delay > 0:
            await self._sleep(delay)
        self.ledger.answer(arrived, response.status, self._clock())
        return response


class _Connections(web.Server):
    """Connections that can be reset when they are made, and cut at any time."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        refuses: Callable[[], bool],
    ) -> None:
        # Cancelling handlers ends a hang when its client disconnects. Compressed bodies stay as they are: malformed.
        super().__init__(handler, handler_cancellation=True, access_log=None, auto_decompress=False)
        self._refuses = refuses

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Takes a connection, or resets it before anything is read from it."""
        super().connection_made(handler, transport)
        if self._refuses():
            _cut_short(transport)

    async def cut(self) -> None:
        """Ends open connections, and resets those that are accepted but not set up yet."""
        self._refuses = lambda: True
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self.shutdown(_STOP_SECONDS)


def _accepted() -> web.Response:
    return web.Response(status=202, body=b"{}", content_type="application/json")


def _response(answer: Answer) -> web.Response:
    body = _USUAL_BODIES.get(answer.status, "{}") if answer.body is None else answer.body
    headers = {"Content-Type": answer.content_type}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.location is not None:
        headers["Location"] = answer.location
    return web.Response(status=answer.status, body=body.encode(), headers=headers)


async def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        _cut_short(request.transport)
    return await _until_disconnected()


async def _until_disconnected() -> web.StreamResponse:
    """Never returns: the handler is cancelled when the connection is lost."""
    never: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await never


def _cut_short(transport: asyncio.Transport) -> None:
    """Closes with RST: a linger of zero discards what is unsent, and skips the FIN."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
