"""Admin HTTP: /metrics for Prometheus, /livez and /readyz for whoever restarts or routes."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from forwarder.errors import PortInUseError
from forwarder.metrics import CONTENT_TYPE, Metrics

_INDEX = "forwarder\n\n/metrics  for Prometheus\n/livez    alive\n/readyz   ready, or why not\n"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work, or stands by to do it; and if not, why and what to do."""

    ready: bool
    state: str
    reason: str = ""
    detail: str = ""
    remedy: str = ""


class Admin:
    """Serves while entered as an async context manager.

    Raises:
        PortInUseError: on entering, when the address is taken or cannot be had.
    """

    def __init__(self, metrics: Metrics, readiness: Callable[[], Readiness], *, host: str, port: int) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._host = host
        self._port = port
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/metrics", self._expose),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

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
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(text=_INDEX)

    async def _expose(self, _: web.Request) -> web.Response:
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
