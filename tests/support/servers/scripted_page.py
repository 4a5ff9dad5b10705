"""Serves the real files of the status page, with data from a script: any state at once, without a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from forwarder.admin import assets

TOKEN = "a-token-of-the-script"


@dataclass
class Script:
    """What the page gets, and what it did. `state` may be replaced at any time; None is no answer."""

    url: str = ""
    state: dict[str, Any] | None = None
    letters: dict[str, Any] = field(default_factory=lambda: {"groups": [], "letters": []})
    #: The method, the path with its query, and the body of each request for an action or for user data.
    done: list[tuple[str, str, Any]] = field(default_factory=list)

    async def status(self, _: web.Request) -> web.Response:
        return web.Response(status=500, text="{}") if self.state is None else web.json_response(self.state)

    async def act(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "wrong token"}, status=401)
        body = await request.json() if request.method == "POST" else None
        self.done.append((request.method, request.path_qs, body))
        if request.path == "/export":
            return web.Response(text='{"user_id":"u-1"}\n', content_type="application/x-ndjson")
        return web.json_response(self.letters if request.method == "GET" else {"done": f"{request.path}: done."})


@asynccontextmanager
async def scripted() -> AsyncIterator[Script]:
    """A server on a free port."""
    script, app = Script(), web.Application()
    for path, (text, kind) in assets.load().items():
        app.router.add_get(path, _file(text, kind))
    app.router.add_get("/status.json", script.status)
    for path in ("/letters.json", "/export"):
        app.router.add_get(path, script.act)
    for path in ("/resume", "/retry", "/pause", "/replay", "/delete"):
        app.router.add_post(path, script.act)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield script
    finally:
        await runner.cleanup()


def _file(text: str, kind: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind, headers=dict(assets.HEADERS))

    return answer
