"""One request and its answer, over one of aiohttp's connections.

aiohttp's ClientSession can do all that HTTP offers, and makes several objects and a task for each request: that takes
170 µs of CPU for a small POST. Here all POSTs are alike but for their path and body, so each is written in one piece,
which takes 60 µs. What is hard is left to aiohttp: looking up names, TLS, keeping connections, and reading answers.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import SERVER_SOFTWARE, RawResponseMessage
from yarl import URL

from forwarder.api.connections import MOST_HEADERS, MOST_LINE, Connections
from forwarder.api.request import HEADERS, encode_post, header_lines
from forwarder.runtime.cancellation import raise_if_cancelled

#: At most this many bytes of an answer's body are read, so that its connection can be used again.
_MOST_BODY = 64 * 1024
#: Seconds for the rest of an answer whose status is already known.
_BODY_TIMEOUT = 1.0


class Response:
    """An answer whose headers have arrived. Its connection is kept until :attr:`complete`, or until :meth:`body`."""

    def __init__(self, message: RawResponseMessage, content: aiohttp.StreamReader, connection: Connection) -> None:
        self.status = message.code
        self.headers: Mapping[str, str] = message.headers
        self._content = content
        self._connection = connection
        #: Whether all of it has arrived, which is nearly always so.
        self.complete = content.is_eof()
        if self.complete:
            _give_back(connection)

    async def body(self) -> bytes:
        """Reads the answer to its end, so that its connection can be used again. Closes it if the rest is long or late.

        The status is known, so what fails here is only a body that is missing. Returns the body; nothing if it is not
        complete.
        """
        body, read = b"", False
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                while len(body) < _MOST_BODY and (chunk := await self._content.read(_MOST_BODY - len(body))):
                    body += chunk
            read = len(body) < _MOST_BODY
        except asyncio.CancelledError:
            raise_if_cancelled()
        except Exception:  # noqa: BLE001, S110
            pass
        finally:
            if read:
                _give_back(self._connection)
            else:
                self._connection.close()
        return body if read else b""


class Exchange:
    """Sends POSTs to one server. Close it at the end.

    Args:
        url: of the server.
        connect_timeout: seconds in which a connection must be made.
        clock: seconds, monotonic.
    """

    def __init__(self, url: URL, *, connect_timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.connections = Connections(clock=clock)
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout)
        # It only says where to connect to. What is sent to all users is the same, so it is written once.
        self._server = aiohttp.ClientRequest("POST", url, loop=asyncio.get_running_loop())
        self._headers = header_lines(
            # Compressed answers are not unpacked, so none is asked for.
            {
                "Host": url.host_port_subcomponent or "",
                **HEADERS,
                "Accept-Encoding": "identity",
                "User-Agent": SERVER_SOFTWARE,
            }
        )

    async def close(self) -> None:
        await self.connections.close()

    async def post(self, path: str, authorization: str, body: bytes) -> Response:
        """Sends a POST, and returns its answer as soon as the headers are here. Redirects are not followed.

        Raises:
            OSError, aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError: there is no answer.
        """
        connection = await self.connections.connect(self._server, [], self._timeout)
        try:
            _write(connection, encode_post(path, self._headers, authorization, body))
            return await _answer(connection)
        except BaseException:
            connection.close()
            raise


def _write(connection: Connection, request: bytes) -> None:
    assert connection.protocol is not None  # noqa: S101 - it was not given back yet
    connection.protocol.set_response_params(
        read_until_eof=True,
        auto_decompress=False,
        max_line_size=MOST_LINE,
        max_field_size=MOST_LINE,
        max_headers=MOST_HEADERS,
    )
    transport = connection.transport
    if transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection had ended before the request was written")
    transport.write(request)


async def _answer(connection: Connection) -> Response:
    assert connection.protocol is not None  # noqa: S101
    while True:
        message, content = await connection.protocol.read()
        if not 100 <= message.code < 200 or message.code == 101:  # the others come before the answer
            return Response(message, content, connection)


def _give_back(connection: Connection) -> None:
    """Keeps a connection for other POSTs, unless the server has answered before it has read the whole request.

    Such a server, which may answer 413 because of the length alone, need not read the rest, nor what follows it.
    """
    if connection.transport is not None and connection.transport.get_write_buffer_size():
        connection.close()
    else:
        connection.release()
