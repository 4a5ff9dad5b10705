"""Edits of one element: members that are set, or a program that reads the element and writes the new one."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from forwarder.errors import InvalidElementError, ProgramError
from forwarder.event import replaced

#: Returns the new bytes of an element. Raises InvalidElementError if there are none; the element then stays as it is.
Edit = Callable[[bytes], Awaitable[bytes]]

#: At most this many bytes of a program's standard error are kept.
_MOST_COMPLAINT = 4_096
#: Seconds to wait for the end of a killed program.
_GRACE = 1.0
#: Exit codes of a shell that cannot start a program.
_CANNOT_RUN = frozenset({126, 127})


def setting(texts: Sequence[str]) -> Edit:
    """The edit that sets members. Each text is ``name=value``; a value that is not JSON is a string.

    Raises:
        ValueError: a text does not have this form.
    """
    values = dict(map(_member, texts))

    async def edit(element: bytes) -> bytes:
        return replaced(element, values)

    return edit


def _member(text: str) -> tuple[str, bytes]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} does not have the form name=value; example: name=purchase")
    try:
        raw = value.encode()
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not UTF-8") from None
    try:
        msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raw = msgspec.json.encode(value)
    return name, raw


def program(command: str, *, most: int, timeout: float = 10.0) -> Edit:
    """The edit by a shell command, which reads one element on standard input and writes the new one.

    The command runs once for each element. So it may buffer, fail, or write nothing, and it is always clear which
    element that was. The edit raises ProgramError if the command cannot be started at all.

    Args:
        command: for ``sh -c``.
        most: how many bytes the command may write.
        timeout: seconds; then the command is killed, with everything that it has started.
    """

    async def edit(element: bytes) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                code, new, complaint = await _run(command, element, most)
        except TimeoutError:
            raise InvalidElementError(f"the program took longer than {timeout:g} s") from None
        if code in _CANNOT_RUN:
            raise ProgramError(f"cannot run {command!r}: {complaint or f'exit code {code}'}")
        if code:
            raise InvalidElementError(f"the program ended with {code}" + (f": {complaint}" if complaint else ""))
        if not new:
            raise InvalidElementError("the program wrote nothing")
        return new

    return edit


async def _run(command: str, element: bytes, most: int) -> tuple[int, bytes, str]:
    # The program leads its own session, so that everything it starts can be killed with it.
    process = await asyncio.create_subprocess_shell(
        command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    feeding = asyncio.create_task(_feed(process, element))
    complaining = asyncio.create_task(_start_of(process.stderr, _MOST_COMPLAINT))
    try:
        new = await _start_of(process.stdout, most + 1, till_the_end=False)
        _check_size(new, most)
        await feeding
        lines = (await complaining).decode(errors="replace").strip().splitlines()
        return await process.wait(), new.strip(), lines[-1] if lines else ""
    except BaseException:
        await _kill(process, feeding, complaining)
        raise


def _check_size(new: bytes, most: int) -> None:
    if len(new) > most:
        raise InvalidElementError(f"the program wrote more than {most} bytes")


async def _kill(process: Process, *busy: "asyncio.Task[object]") -> None:
    """Kills a program with everything that it has started, even after its own end: a child may hold a pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    # Asyncio notices the end of a process only when its pipes have been read to their ends. A child that has left the
    # session may hold a pipe open for ever, so this waits only for a while.
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await _start_of(process.stdout, 0)
            await _start_of(process.stderr, 0)
            await process.wait()


async def _feed(process: Process, element: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # a program need not read its input
        process.stdin.write(element + b"\n")
        await process.stdin.drain()
    process.stdin.close()


async def _start_of(stream: asyncio.StreamReader | None, most: int, *, till_the_end: bool = True) -> bytes:
    """The first `most` bytes of the stream. Drains the rest, unless `till_the_end` is false."""
    kept = bytearray()
    while stream is not None and (till_the_end or len(kept) < most) and (chunk := await stream.read(65_536)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)
