"""A client that shares no code with the forwarder's, and raw connections for what a client would not send."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from forwarder.simulator import Simulator

KEY = "secret"
EVENT = b'{"name":"purchase","date":"2016-09-11T18:04:23Z"}'


def credentials(key: str, user: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


HEADERS = {
    "Authorization": credentials(KEY),
    "Content-Type": "application/json",
    "Accept": "application/json",
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Got:
    status: int
    body: str
    headers: dict[str, str]


class Client:
    """A client that shares no code with the forwarder's."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def ask(self, method: str, raw_path: str, body: bytes = b"", **headers: str | None) -> Got:
        wanted = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method,
            URL(self.simulator.url + raw_path, encoded=True),
            data=body,
            headers={name: value for name, value in wanted.items() if value is not None},
            skip_auto_headers=("Accept", "Content-Type"),
            allow_redirects=False,
        ) as answer:
            return Got(answer.status, await answer.text(), dict(answer.headers))

    async def post(self, segment: str = "u-1", *events: bytes, **headers: str | None) -> Got:
        body = b'{"events":[' + b",".join(events or (EVENT,)) + b"]}"
        return await self.ask("POST", f"/v6/users/{segment}/events", body, **headers)


@asynccontextmanager
async def connection(
    simulator: Simulator,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request_bytes(body: bytes = b'{"events":[' + EVENT + b"]}") -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"POST /v6/users/u-1/events HTTP/1.1\r\nHost: x\r\n{head}{length}".encode() + body
