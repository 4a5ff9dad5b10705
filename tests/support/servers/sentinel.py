"""One Sentinel that names a master."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from forwarder.demo.redis_server import find_server
from tests.support.service import eventually, free_port


@contextmanager
def _process(directory: Path, port: int, lines: list[str]) -> Iterator[None]:
    directory.mkdir(exist_ok=True)
    configuration = directory / "sentinel.conf"
    configuration.write_text("\n".join([f"bind 127.0.0.1\nport {port}\ndir {directory}", *lines, ""]))
    arguments = [str(find_server()), str(configuration), "--sentinel"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class OneSentinel:
    """A Sentinel that knows a master as `name`; runs while entered.

    Args:
        directory: its own.
        master: the port of the master.
        name: of the master.
        lines: further lines of its configuration.
    """

    def __init__(self, directory: Path, master: int, name: str, *lines: str) -> None:
        self.port = free_port()
        self._process = _process(directory, self.port, [f"sentinel monitor {name} 127.0.0.1 {master} 1", *lines])

    async def __aenter__(self) -> Self:
        self._process.__enter__()
        await eventually(self._answers, what="the Sentinel answers")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return bool(connection.recv(100))
        return False
