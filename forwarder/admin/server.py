"""Listens on the admin address: probes and metrics for machines. `routes` has the pages for people."""

import asyncio
import logging
import os
import socket
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from forwarder.admin.connections import Connection, Crowd
from forwarder.admin.guard import Hosts
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
#: The system keeps this many connections until they are accepted. Few are accepted at a time, so that the event loop
#: goes on with events in between.
_WAITING, _AT_A_TIME = 1_000, 10
#: Seconds that requests may still take when the service ends. Everything is settled by then.
_SHUTDOWN = 1.0
_WRONG_HOST = (
    "This address is served by its IP address, as localhost, and by the names in FORWARDER_ADMIN_ALLOWED_HOSTS. "
    "Add the name that you used, or let your proxy send another Host.\n"
)

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
        self._hosts = Hosts([settings.admin_host, *settings.admin_allowed_hosts.split(",")])
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._admit])
        app.add_routes(
            [
                web.get("/metrics", self._expose),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                *self._pages.routes(),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN)
        self._crowd: Crowd | None = None
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use. If the setting is 0, this is the free port that was taken."""
        assert self._listening is not None, "use as an async context manager"  # noqa: S101
        return int(self._listening.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        assert self._runner.server is not None, "set up"  # noqa: S101
        self._crowd = Crowd(self._runner.server, _logger())
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._crowd.accept, self._host, self._port, backlog=_AT_A_TIME
            )
        except OSError as error:
            await self._runner.cleanup()
            # asyncio's text repeats the address. Numbers less than 0 are of a look-up.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise PortInUseError(
                f"cannot listen on {self._host}:{self._port} ({why}): "
                "is another forwarder running? Set FORWARDER_ADMIN_PORT or FORWARDER_ADMIN_HOST"
            ) from error
        # asyncio takes the backlog for both: how many may wait, and how many are accepted at a time.
        for each in self._listening.sockets:
            with socket.fromfd(each.fileno(), each.family, each.type) as same:
                same.listen(_WAITING)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.close()
        if self._crowd is not None:
            self._crowd.close()
        await self._runner.cleanup()

    async def report(self) -> None:
        """Logs, for ever, what the status page shows as wrong, once when it begins and once when it is over."""
        await self._pages.page.report()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handles a request if its Host is one of ours, on any path. Its connection stays meanwhile."""
        if not self._hosts.answer(request.headers.getall("Host", [])):
            return web.Response(status=403, text=_WRONG_HOST)
        assert isinstance(request.protocol, Connection)  # noqa: S101
        with request.protocol.working():
            return await handler(request)

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
