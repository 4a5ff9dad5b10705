"""`forwarder` as a process of its own, forked from an interpreter that has imported it.

A fresh interpreter needs most of a second of CPU before a command begins, and the tests start hundreds of them. A fork
needs a fiftieth of that. The same code runs, with its own process ID, environment, descriptors, signals and exit code.
Three things differ: /proc/PID/cmdline and /proc/PID/environ are those of the process that forks, so is the memory at
the beginning, and libraries have read their environment variables already. A test that depends on one of these starts a
fresh interpreter.
"""

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Protocol

import forwarder


@cache
def forks() -> ForkServerContext:
    """Starts processes by forking one that has imported the whole package."""
    context = multiprocessing.get_context("forkserver")
    package = Path(forwarder.__file__).parent
    modules = [".".join(file.relative_to(package.parent).with_suffix("").parts) for file in package.rglob("*.py")]
    # In each child multiprocessing imports the main module, and that is pytest's.
    context.set_forkserver_preload(["pytest", *(each for each in modules if not each.endswith("__main__"))])
    return context


class Process(Protocol):
    """What :class:`subprocess.Popen` and :class:`Fork` have in common."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it, once :meth:`poll` has seen it."""

    def poll(self) -> int | None:
        """The same, looked up now."""

    def wait(self, timeout: float | None = None) -> int:
        """The same, waited for."""

    def send_signal(self, sig: int) -> None:
        """Sends a signal, unless the process has ended."""

    def terminate(self) -> None:
        """Sends SIGTERM."""

    def kill(self) -> None:
        """Sends SIGKILL."""


class Fork:
    """`forwarder ARGUMENTS` with this environment and no other, on these descriptors."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, stdin: int, stdout: int, stderr: int
    ) -> None:
        # The child gets copies of the descriptors; daemonic, it does not outlive pytest.
        streams = [Connection(os.dup(each)) for each in (stdin, stdout, stderr)]
        self._process = forks().Process(
            target=_run, args=(list(arguments), dict(environment), str(Path.cwd()), streams), daemon=True
        )
        self._process.start()
        for each in streams:
            each.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Whether it has ended, and how."""
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end, and blocks.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("forwarder", timeout or 0)
        return code

    async def ended(self) -> int:
        """Waits for the end."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        return self.wait()

    def send_signal(self, sig: int) -> None:
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _run(arguments: Sequence[str], environment: Mapping[str, str], directory: str, streams: list[Connection]) -> None:
    """In the child: sets up what a fresh interpreter sets up, then runs the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["forwarder", *arguments]
    # The modules that print read the terminal and the environment when they are imported, so they are imported again.
    for name in [name for name in sys.modules if name.startswith("forwarder.cli")]:
        del sys.modules[name]
    importlib.import_module("forwarder.__main__").main()


async def output_of(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes, within: float = 60.0
) -> tuple[int, str, str]:
    """Runs `forwarder ARGUMENTS` to its end: exit code, standard output, standard error."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Fork(arguments, environment, stdin=reading, stdout=out.fileno(), stderr=err.fileno())
        os.close(reading)
        try:
            async with asyncio.timeout(within):
                await asyncio.to_thread(_write, writing, stdin)
                code = await process.ended()
        finally:
            process.kill()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return code, texts[0], texts[1]


def _write(pipe: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb") as stream:
        stream.write(text)
