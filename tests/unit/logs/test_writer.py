"""Lines go through a thread, in order, and what cannot be written is counted."""

import fcntl
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forwarder.logs.writer import _MOST_BYTES, Writer

LINE = "x" * 1023 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of 4 KiB; both ends are closed at the end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.001)
    return holds()


def test_what_fits_is_written_in_order(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor)
    for number in range(100):
        assert writer.write(f"{number} é \udc80\n") == len(f"{number} é \udc80\n")
    writer.drain(10)
    assert os.read(reader, 4096) == "".join(f"{number} é \\udc80\n" for number in range(100)).encode()
    assert (writer.dropped, writer.unreported()) == (0, 0)


def test_a_traceback_of_any_length_is_taken_when_nothing_else_waits(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = Writer(file.fileno())
    writer.write("x" * 2 * _MOST_BYTES + "\n")
    writer.drain(10)
    assert ((tmp_path / "log").stat().st_size, writer.dropped) == (2 * _MOST_BYTES + 1, 0)


def test_a_terminal_that_cannot_show_a_character_gets_an_escape(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = Writer(descriptor, "ascii")
    writer.write("é ☕\n")
    writer.drain(10)
    assert os.read(reader, 100) == b"\\xe9 \\u2615\n"


@pytest.mark.parametrize("blocking", [True, False])
def test_what_does_not_fit_is_counted_and_reported_once_when_it_fits_again(
    pipe: tuple[int, int], *, blocking: bool
) -> None:
    """Another process may have made the descriptor non-blocking."""
    reader, descriptor = pipe
    os.set_blocking(descriptor, blocking)
    writer = Writer(descriptor)
    lines = 3 * _MOST_BYTES // len(LINE)
    for _ in range(lines):
        writer.write(LINE)
    assert 0.5 * lines < writer.dropped < 0.7 * lines
    writer.drain(0.01)
    assert writer.unreported() == 0, "nothing can be written yet"
    read = b""
    while len(read) < (lines - writer.dropped) * len(LINE):
        read += os.read(reader, 65_536)
    assert read == LINE.encode() * (lines - writer.dropped)
    writer.drain(10)
    assert (writer.unreported(), writer.unreported()) == (writer.dropped, 0)


def test_a_disk_that_is_full_or_a_reader_that_is_gone_is_counted_and_reported_only_afterwards() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    for full in (os.open("/dev/full", os.O_WRONLY), descriptor):
        writer = Writer(full)
        os.close(full)
        writer.write("a\nb\n")
        writer.drain(10)
        assert (writer.dropped, writer.unreported()) == (2, 0)


def test_a_line_after_half_a_line_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    """The disk becomes full in the middle of a line, and has room again later."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    writer = Writer(descriptor)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        writer.write("a first line\n")
        assert soon(lambda: writer.dropped == 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.write("a second line\n")
    writer.drain(10)
    os.close(descriptor)
    assert file.read_text() == "a first li\na second line\n"
    assert writer.unreported() == 1
