"""Listens on the admin address: probes and metrics for machines. `routes` has the pages for people."""

import asyncio
import logging
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from forwarder.admin import assets
from forwarder.admin.routes import BODY_BYTES, Pages
from forwarder.api.courier import Courier
from forwarder.config import Settings
from forwarder.errors import PortInUseError
from forwarder.metrics import CONTENT_TYPE, Metrics
from forwarder.monitor.monitor import Monitor
from forwarder.queue.queue import Queue
from forwarder.worker.condition import Condition

#: Seconds that a scrape waits for Redis.
_PATIENCE = 0.25
#: At most this many connections at once. One more ends the oldest: a client that opens thousands must not use up the
#: descriptors that POSTs and Redis need, nor keep a probe out.
_MOST_CONNECTIONS = 100
#: Seconds that a connection may be idle, and seconds that the head of a request may take.
_KEEP_ALIVE = 60.0
#: Seconds that requests may still take when the service ends. Everything is settled by then.
_SHUTDOWN = 1.0

log = structlog.get_logger()


class Admin:
    """Serves while entered as an async context manager.

    Raises:
        PortInUseError: on entering, if the address is taken or cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        monitor: Monitor,
        condition: Condition,
        metrics: Metrics,
        courier: Courier,
    ) -> None:
        self._metrics = metrics
        self._condition = condition
        self._watch = monitor.watch
        self._host = settings.admin_host
        self._port = settings.admin_port
        self._pages = Pages(settings, queue, monitor, condition, metrics, courier.pacer)
        app = web.Application(client_max_size=BODY_BYTES)
        app.on_response_prepare.append(_with_headers)
        app.add_routes(
            [
                web.get("/metrics", self._expose),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                *self._pages.routes(),
            ]
        )
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_logger(),
            keepalive_timeout=_KEEP_ALIVE,
            shutdown_timeout=_SHUTDOWN,
        )
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use. If the setting is 0, this is the free port that was taken."""
        assert self._listening is not None, "use as an async context manager"  # noqa: S101
        return int(self._listening.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(self._admitted, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            raise PortInUseError(
                f"cannot listen on {self._host}:{self._port} ({error.strerror or error}): "
                "is another forwarder running? Set FORWARDER_ADMIN_PORT or FORWARDER_ADMIN_HOST"
            ) from error
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    def _admitted(self) -> asyncio.Protocol:
        """Serves a new connection. Ends the oldest ones if there are too many."""
        server, loop = self._runner.server, asyncio.get_running_loop()
        assert server is not None, "set up on entering"  # noqa: S101
        # A connection counts only from the next turn of the loop on, and many may be accepted in one turn.
        loop.call_soon(loop.call_soon, self._end_oldest)
        return server()

    def _end_oldest(self) -> None:
        server = self._runner.server
        crowd = [] if server is None else server.connections
        for oldest in crowd[: max(0, len(crowd) - _MOST_CONNECTIONS)]:
            if oldest.transport is not None:
                oldest.transport.abort()  # close() would wait for a client that does not read

    async def _expose(self, _: web.Request) -> web.Response:
        """The metrics. What Redis knows is at most a second old. If Redis hangs, a scrape waits only briefly for it."""
        await self._watch.refresh(patience=_PATIENCE)
        return web.Response(body=self._metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    async def _livez(self, _: web.Request) -> web.Response:
        """Any answer proves that the event loop runs. It depends on nothing else."""
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        readiness = self._condition.readiness
        return web.Response(
            status=200 if readiness.ready else 503,
            body=msgspec.json.encode(readiness),
            content_type="application/json",
        )


def _logger() -> logging.Logger:
    """The logger of aiohttp, without a traceback for each request that is not HTTP. Those must not fill the log."""
    logger = logging.getLogger("forwarder.admin.http")
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    error: Any = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(assets.HEADERS)
