"""An API on a bare socket. It can send what no HTTP server would send, and sees requests byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Says = Callable[[asyncio.StreamWriter], Awaitable[None]]

GOOD = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class RawApi:
    """Answers something absurd to the first `times` requests, and 202 to all others."""

    says: Says
    times: int
    url: str = ""
    #: Head and body of each, as they came.
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
                assert length, head
                self.requests.append(head + await reader.readexactly(int(length[1])))
                if len(self.requests) <= self.times:
                    await self.says(writer)
                else:
                    writer.write(GOOD)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()


async def _silent(_: asyncio.StreamWriter) -> None:
    pass


@asynccontextmanager
async def raw(says: Says = _silent, times: int = 1) -> AsyncIterator[RawApi]:
    api = RawApi(says, times)
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, limit=2**20)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
