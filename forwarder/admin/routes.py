"""Routes for people: the page, what it shows as JSON, and the actions behind the token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from importlib import import_module
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from forwarder.admin import actions, assets, letters
from forwarder.admin.actions import Done, LettersRequest, PauseRequest, ReplayRequest, ResumeRequest, RetryRequest
from forwarder.admin.guard import Denial, Guard
from forwarder.admin.page import StatusPage
from forwarder.api.pacing.permits import Pacer
from forwarder.config import Settings
from forwarder.errors import ForwarderError
from forwarder.metrics import Metrics
from forwarder.monitor.monitor import Monitor
from forwarder.queue.queue import Queue
from forwarder.worker.condition import Condition

#: The body of a request may have at most this many bytes.
BODY_BYTES = 4_096
#: The body of a request may take at most this many seconds.
_BODY_SECONDS = 5.0
#: Seconds before the data of the page is collected again.
_SHOWN_SECONDS = 0.5

T = TypeVar("T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class Pages:
    """Serves everything but probes and metrics."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        monitor: Monitor,
        condition: Condition,
        metrics: Metrics,
        pacer: Pacer,
    ) -> None:
        token = settings.admin_token
        self._settings = settings
        self._queue = queue
        self._watch = monitor.watch
        self._clock = monitor.clock
        self._guard = Guard(token.get_secret_value() if token is not None else None, monitor.clock)
        self._acting, self._showing = asyncio.Lock(), asyncio.Lock()
        self._reading, self._exporting = asyncio.Lock(), asyncio.Lock()
        self._shown, self._shown_at = b"", float("-inf")
        self._files = assets.load()
        self.page = StatusPage(settings, monitor, condition, metrics, pacer, actions=self._guard.armed)

    def routes(self) -> list[web.RouteDef]:
        queue, settings = self._queue, self._settings
        return [
            *(web.get(path, self._file) for path in self._files),
            web.get("/runbook", self._runbook),
            web.get("/status.json", self._status),
            web.get("/letters.json", self._allowed(self._letters)),
            web.post("/pause", self._action(PauseRequest, partial(actions.pause, queue))),
            web.post("/resume", self._action(ResumeRequest, partial(actions.resume, queue))),
            web.post("/retry", self._action(RetryRequest, partial(actions.retry, queue))),
            web.post("/replay", self._action(ReplayRequest, partial(actions.replay, queue, settings))),
            web.post("/delete", self._action(LettersRequest, partial(actions.delete, queue, settings))),
            web.get("/export", self._allowed(self._export), allow_head=False),
        ]

    def _allowed(self, handler: _Handler) -> _Handler:
        """Serves only requests with the token. All others are answered with the reason."""

        @wraps(handler)
        async def checked(request: web.Request) -> web.StreamResponse:
            refusal = self._guard.refuses(request.headers)
            if refusal is not None:
                return _refused(refusal, request)
            try:
                return await handler(request)
            except ForwarderError as error:
                return _json({"error": str(error)}, 503)

        return checked

    async def _file(self, request: web.Request) -> web.Response:
        text, kind = self._files[request.path]
        return web.Response(text=text, content_type=kind)

    async def _runbook(self, _: web.Request) -> web.Response:
        """Made in a thread, so that events go on meanwhile, and only on demand: few workers are ever asked for it."""
        runbook = await asyncio.to_thread(import_module, "forwarder.admin.runbook")
        return web.Response(text=await asyncio.to_thread(runbook.page), content_type="text/html")

    async def _status(self, _: web.Request) -> web.Response:
        """Collects the data at most twice a second, however many pages are open: this process has events to send."""
        async with self._showing:
            if self._clock() - self._shown_at >= _SHOWN_SECONDS:
                self._shown = msgspec.json.encode(await self.page.show())
                self._shown_at = self._clock()
        return web.Response(body=self._shown, content_type="application/json")

    async def _letters(self, request: web.Request) -> web.Response:
        wanted = _query(request, letters.Examples)
        if isinstance(wanted, web.Response):
            return wanted
        seen = await self._watch.refresh(in_full=True)
        if not wanted.filtered:
            return _json(letters.revealed(seen))
        async with self._reading:
            return _json(await letters.examples(self._queue, self._settings, wanted, seen))

    def _action(self, kind: type[T], act: Callable[[T], Awaitable[Done]]) -> _Handler:
        """Serves requests with the token: decodes the body, then acts."""

        async def handler(request: web.Request) -> web.Response:
            wanted = await _body(request, kind)
            return wanted if isinstance(wanted, web.Response) else await self._do(lambda: act(wanted))

        return self._allowed(handler)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        wanted = _query(request, letters.Export)
        if isinstance(wanted, web.Response):
            return wanted
        if self._exporting.locked():
            return _json({"error": "another export is running: try again when it is done"}, 409)
        async with self._exporting:
            return await letters.export(self._queue, self._settings, wanted, request)

    async def _do(self, action: Callable[[], Awaitable[Done]]) -> web.Response:
        """Runs one action at a time. A second one is refused immediately, so that nobody waits without knowing why."""
        if self._acting.locked():
            return _json({"error": "another action is running: try again when it is done"}, 409)
        async with self._acting:
            try:
                return _json(await action())
            finally:
                self._watch.forget()
                self._shown_at = float("-inf")


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _refused(refusal: Denial, request: web.Request) -> web.Response:
    if refusal.guess:
        log.warning("wrong token on the admin address", path=request.path, by=request.remote)
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _json({"error": refusal.error}, refusal.status, headers)


def _query(request: web.Request, kind: type[T]) -> T | web.Response:
    """The decoded query, or the answer to a request whose query is wrong."""
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        return _json({"error": str(error)}, 400)


async def _body(request: web.Request, kind: type[T]) -> T | web.Response:
    """The decoded body, or the answer to a request whose body is wrong.

    Only JSON is accepted. A form on another site's page, which a browser sends without asking us, cannot be JSON.
    """
    if request.content_type != "application/json":
        return _json({"error": "the content type must be application/json"}, 415)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return msgspec.json.decode(await request.read(), type=kind)
    except TimeoutError:
        return _json({"error": f"the body did not arrive within {_BODY_SECONDS:g} s"}, 408)
    except (msgspec.DecodeError, web.RequestPayloadError) as error:
        return _json({"error": str(error)}, 400)
