"""Listens on the admin address: probes and metrics for machines; what is for people is in ``pages``."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
import structlog
from aiohttp import web

from forwarder.admin import assets
from forwarder.admin.pages import BODY_BYTES, Pages
from forwarder.admin.readiness import Readiness
from forwarder.errors import PortInUseError
from forwarder.metrics import CONTENT_TYPE
from forwarder.parts import Parts

#: Seconds that a scrape waits for Redis.
_PATIENCE = 0.25

log = structlog.get_logger("forwarder.admin")


class Admin:
    """Serves while entered as an async context manager.

    Raises:
        PortInUseError: on entering, when the address is taken or cannot be had.
    """

    def __init__(self, parts: Parts, readiness: Callable[[], Readiness]) -> None:
        self._metrics = parts.metrics
        self._readiness = readiness
        self._host = parts.settings.admin_host
        self._port = parts.settings.admin_port
        self._pages = Pages(parts, readiness)
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
        self._runner = web.AppRunner(app, access_log=None)
        self._remembering: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use; differs from the one asked for when that was 0."""
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortInUseError(
                f"cannot listen on {self._host}:{self._port} ({error.strerror or error}): "
                "is another forwarder running? Set FORWARDER_ADMIN_PORT or FORWARDER_ADMIN_HOST"
            ) from error
        self._remembering = asyncio.create_task(self._pages.board.remember())
        self._remembering.add_done_callback(_forgetful)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._remembering is not None:
            self._remembering.cancel()
            await asyncio.wait({self._remembering})
        await self._pages.board.lookout.close()
        await self._runner.cleanup()

    async def _expose(self, _: web.Request) -> web.Response:
        """What Redis knows is at most a second old if it answers; one that hangs must not hold up what we know."""
        await self._pages.board.lookout.look(patience=_PATIENCE)
        return web.Response(body=self._metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    async def _livez(self, _: web.Request) -> web.Response:
        """Answering at all is the proof: the event loop turns. Depends on nothing else."""
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        readiness = self._readiness()
        return web.Response(
            status=200 if readiness.ready else 503,
            body=msgspec.json.encode(readiness),
            content_type="application/json",
        )


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(assets.HEADERS)


def _forgetful(task: asyncio.Task[None]) -> None:
    """The charts are not worth the service: when they end by a mistake of ours, events go on flowing."""
    if not task.cancelled() and task.exception() is not None:
        log.error("the status page has lost its memory", exc_info=task.exception())
