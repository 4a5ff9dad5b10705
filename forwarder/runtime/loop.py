"""Runs a command on an event loop whose look-ups of host names never outlive it.

asyncio resolves names in a pool of a few threads. At the end it waits for them, and so does the interpreter: while a
name server was silent, a process that had finished stayed for another 20 s. Here each look-up has a thread that nobody
waits for, and those who ask for the same name share one look-up.
"""

import asyncio
import errno
import socket
from collections.abc import Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

#: What socket.getaddrinfo returns.
_Infos = Any
_Question = tuple[Any, Any, int, int, int, int]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Like :func:`asyncio.run`, but does not wait for look-ups of names that are under way at the end."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


class _Loop(asyncio.SelectorEventLoop):
    """The loop that asyncio uses on Unix, with another way to look up names."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups: dict[_Question, asyncio.Future[_Infos | OSError]] = {}

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> _Infos:
        """The addresses of a name.

        Raises:
            OSError: nothing else, so that aiohttp and redis-py take every failure for what it is: the name is unknown,
                or not valid (as a :exc:`socket.gaierror`), or this machine has no thread left.
        """
        question = host, port, family, type, proto, flags
        if question not in self._lookups:
            self._ask(question)
        # A caller that stops waiting leaves the look-up to the others.
        answer = await asyncio.shield(self._lookups[question])
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _ask(self, question: _Question) -> None:
        answer: asyncio.Future[_Infos | OSError] = self.create_future()

        def answered(found: _Infos | OSError) -> None:
            del self._lookups[question]
            answer.set_result(found)

        def look_up() -> None:
            found = _look_up(question)
            with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
                self.call_soon_threadsafe(answered, found)

        try:
            Thread(target=look_up, name="look-up of a name", daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "cannot start a thread to resolve a host name") from error
        self._lookups[question] = answer


def _look_up(question: _Question) -> _Infos | OSError:
    try:
        return socket.getaddrinfo(*question)
    except OSError as error:
        return error
    except UnicodeError:
        return socket.gaierror(socket.EAI_NONAME, "not a valid host name")
