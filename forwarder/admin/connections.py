"""The connections to the admin address: which of them end when there are too many, and what is answered to nonsense."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import Logger
from operator import attrgetter
from typing import Any

from aiohttp import web

from forwarder.admin import assets

#: More connections than this are too many: quiet ones end. A client that opens thousands must not use up the
#: descriptors that POSTs and Redis need.
_MOST = 100
#: More connections than this are far too many: any that has no request under way may end, however new it is.
_FAR_TOO_MANY = 200
#: A connection that said nothing for this many seconds is quiet. A probe says all that it has to say at once.
_QUIET = 1.0
#: A head may have this many bytes. aiohttp limits each header, but 128 of them are a megabyte. Ten times the cookies of
#: a browser fit, and 200 connections hold 13 MB.
_PENDING_BYTES = 65_536
#: Seconds that a connection may be idle, and seconds that the head of a request may take.
_KEEP_ALIVE = 60.0


class Connection(web.RequestHandler):
    """One connection, from accepting it to its end."""

    #: The address of the client; empty while it is not known.
    address = ""
    #: When it was accepted, or when something was last received, on the clock of the event loop.
    heard = 0.0
    #: Whether a request is being handled: it may have changed something, and its answer must arrive.
    under_way = False
    #: Bytes that were received since the last head was complete.
    _pending = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard = self._loop.time()
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sends. Ends the connection if a head, or a body that nobody reads, becomes too long."""
        self.heard, before = self._loop.time(), self._request_count
        super().data_received(data)
        self._pending = self._pending + len(data) if self._request_count == before else 0
        if self._pending > _PENDING_BYTES and not self.under_way and self.transport is not None:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        """False from the moment it is ended. aiohttp knows it for a little longer."""
        return self.transport is not None and not self.transport.is_closing()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While entered, a request is under way."""
        self.under_way = True
        try:
            yield
        finally:
            self.under_way = False

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends an answer. Every one passes here, also those that aiohttp itself gives."""
        resp.headers.update(assets.HEADERS)
        if isinstance(resp, web.HTTPException):  # some of their texts quote the request
            resp.text = f"{resp.status}: {resp.reason}\n"
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, or to a request that met a defect; logs the latter."""
        answer = super().handle_error(request, status, exc, message)
        assert isinstance(answer, web.Response)  # noqa: S101
        answer.text = (
            "not a valid HTTP request; this port has no TLS\n" if status < 500 else "a defect: the log says more\n"
        )
        return answer


class Crowd:
    """Keeps connections from becoming too many.

    A connection with a request under way never ends. Of the others, first come those of the address that has the most,
    and of one address those that were quiet for longest. Down to 200 they end at once, and down to 100 they end if they
    were quiet for a second.

    Example: somebody at 10.0.0.1 opens 500 connections and keeps them. A probe from 10.0.0.2 is never ended. One from
    10.0.0.1 has time until 200 more are opened. After a second, 100 are left.

    Args:
        server: what serves them.
        logger: for defects.
    """

    def __init__(self, server: web.Server, logger: Logger) -> None:
        self._server = server
        self._options: dict[str, Any] = {"access_log": None, "logger": logger, "keepalive_timeout": _KEEP_ALIVE}
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._due = False

    def accept(self) -> Connection:
        """Serves one more connection."""
        if not self._due:
            self._due = True
            # It counts from the next turn of the loop on. Several may be accepted in one turn.
            self._loop.call_soon(self._loop.call_soon, self._thin_out)
        return Connection(self._server, loop=self._loop, **self._options)

    def _thin_out(self) -> None:
        self._due = False
        connections = [each for each in self._server.connections if isinstance(each, Connection) and each.is_open]
        if len(connections) <= _MOST:
            return
        for each in to_end(connections, self._loop.time()):
            if each.transport is not None:
                each.transport.abort()  # close() would wait for a client that does not read
        if self._again is None:  # those that are not quiet yet will be
            self._again = self._loop.call_later(_QUIET, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._thin_out()

    def close(self) -> None:
        if self._again is not None:
            self._again.cancel()


def to_end(connections: Sequence[Connection], now: float) -> list[Connection]:
    """The connections that must end, so that not too many are left."""
    counts: Counter[str] = Counter()
    ranked: list[tuple[int, Connection]] = []
    for each in sorted(connections, key=attrgetter("heard"), reverse=True):
        counts[each.address] += 1
        if not each.under_way:
            ranked.append((counts[each.address], each))
    ranked.sort(key=lambda found: (-found[0], found[1].heard))
    too_many, far_too_many = len(connections) - _MOST, len(connections) - _FAR_TOO_MANY
    return [
        each
        for place, (_, each) in enumerate(ranked[: max(0, too_many)])
        if place < far_too_many or now - each.heard >= _QUIET
    ]
