"""The loop that commands run on: how it resolves names."""

import asyncio
import errno
import socket
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from forwarder.runtime import loop

NAME = "silent.example"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """A name server that does not answer before the end of the test; the names that were asked for."""
    asked: list[object] = []
    ended = Event()

    def resolver(host: object, *_: object) -> list[object]:
        asked.append(host)
        ended.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield asked
    ended.set()


async def _ask(name: str) -> None:
    await asyncio.get_running_loop().getaddrinfo(name, 443)


def test_nobody_waits_for_a_look_up_at_the_end(silent: list[object]) -> None:
    async def work() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_ask(NAME), 0.01)
        return "done"

    begun = time.monotonic()
    assert loop.run(work()) == "done"
    assert time.monotonic() - begun < 10
    assert silent == [NAME]


def test_those_who_ask_for_one_name_share_a_look_up_and_another_name_does_not_wait(silent: list[object]) -> None:
    """Or a thousand attempts to reach a silent name server would need a thousand threads."""

    async def work() -> None:
        for _ in range(10):
            asking = asyncio.gather(_ask(NAME), _ask(NAME), _ask("other.example"), return_exceptions=True)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asking, 0.01)

    loop.run(work())
    assert sorted(silent, key=str) == ["other.example", NAME]


def test_an_answer_and_a_failure_reach_all_who_wait_and_are_not_kept() -> None:
    async def work() -> list[object]:
        running = asyncio.get_running_loop()
        (first,) = await running.getaddrinfo("127.0.0.1", 443, type=socket.SOCK_STREAM)
        failed = await asyncio.gather(_ask("x" * 64), _ask("x" * 64), return_exceptions=True)
        assert not running._lookups  # type: ignore[attr-defined]
        return [first[4], *(type(each) for each in failed)]

    assert loop.run(work()) == [("127.0.0.1", 443), socket.gaierror, socket.gaierror]


def test_without_a_thread_a_look_up_fails_like_one_that_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> OSError:
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", no_thread)
            with pytest.raises(OSError, match="thread") as raised:
                await _ask(NAME)
        return raised.value

    assert loop.run(work()).errno == errno.EAGAIN
