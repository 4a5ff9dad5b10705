"""Edits of one element: members that are set, or a program that is given the element and says the new one."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from forwarder.errors import InvalidElementError, ProgramError
from forwarder.event import replaced

#: An element's new bytes. Raises InvalidElementError when there are none: then nothing happens to the element.
Edit = Callable[[bytes], Awaitable[bytes]]

#: Bytes of what a program says of itself that are read.
_MOST_COMPLAINT = 4_096
#: Seconds that a killed program may take to be gone.
_GRACE = 1.0
#: What a shell says of a program that cannot be started.
_CANNOT_RUN = frozenset({126, 127})


def setting(texts: Sequence[str]) -> Edit:
    """The edit that sets members, each as ``name=value``: a JSON value, or else a string.

    Raises:
        ValueError: a text is not of that form.
    """
    values = dict(map(_member, texts))

    async def edit(element: bytes) -> bytes:
        return replaced(element, values)

    return edit


def _member(text: str) -> tuple[str, bytes]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} is not of the form name=value")
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
    """The edit that a shell command does: it reads one element on standard input and writes the new one.

    It is run once for each element, so it may buffer, fail and drop without a mistake about which one that was.
    ProgramError is raised if it cannot be started at all.

    Args:
        command: for ``sh -c``.
        most: bytes that it may write.
        timeout: seconds that it may take; then it is killed, and all that it has started.
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
    # A session of its own, so that all it starts can be killed.
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
    """Kills a program with all that it has started, also if itself has ended: somebody still holds a pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    # Asyncio knows of the end of a process only once its pipes are read to theirs. Who has left the session may
    # hold one for ever: that is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await _start_of(process.stdout, 0)
            await _start_of(process.stderr, 0)
            await process.wait()


async def _feed(process: Process, element: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it need not read what it is given
        process.stdin.write(element + b"\n")
        await process.stdin.drain()
    process.stdin.close()


async def _start_of(stream: asyncio.StreamReader | None, most: int, *, till_the_end: bool = True) -> bytes:
    """What comes, but of more than `most` bytes no more than that; reads on to the end, or stops there."""
    kept = bytearray()
    while stream is not None and (till_the_end or len(kept) < most) and (chunk := await stream.read(65_536)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)
