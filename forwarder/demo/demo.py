"""The demo: real purchases, a private Redis, the stand-in API, one worker, and a check of every event."""

import asyncio
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forwarder import config
from forwarder.config import Settings
from forwarder.demo import check as demo_check
from forwarder.demo import guide
from forwarder.demo import view as demo_view
from forwarder.demo.check import ALL_EVENTS, Purchases, plan
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import ForwarderError
from forwarder.logs import setup as logs
from forwarder.logs.writer import Writer
from forwarder.queue.census import Census
from forwarder.queue.keys import Keys
from forwarder.queue.queue import QueueList
from forwarder.queue.wire.connection import Redis, connect
from forwarder.runtime import signals
from forwarder.service import Service
from forwarder.simulator import Faults, RandomAnswer, Refusal

__all__ = ["ALL_EVENTS", "run"]

_KEY = "demo-key"
_QUEUE = "events"
_FAIR = Faults(refuse=[Refusal(name=demo_check.REFUSED)])
_FAULTS = Faults(
    statuses=[RandomAnswer(status=503, rate=0.05)],
    reset_after_rate=0.02,
    refuse=_FAIR.refuse,
)


async def run(*, events: int, faults: bool, keep: bool) -> int:
    """Runs the demo, and cleans up even when it is interrupted.

    Returns:
        0 if every check holds, else 1. If a signal ended it, 128 plus its number, as a shell reports it.

    Raises:
        ServerMissingError: there is no redis-server to start.
    """
    received: list[int] = []
    try:
        with _ending_on_signals(received):
            return await _run(events=events, faults=faults, keep=keep)
    except asyncio.CancelledError:
        if not received:
            raise
        demo_view.interrupted()
        return 128 + received[0]


@contextmanager
def _ending_on_signals(received: list[int]) -> Iterator[None]:
    """Cancels the caller's task at the first signal. By default, SIGTERM and SIGHUP would leave files behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    numbers = signals.ending()

    def end(number: int) -> None:
        if not received and task is not None:
            received.append(number)
            task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _run(*, events: int, faults: bool, keep: bool) -> int:
    with (
        TemporaryDirectory(prefix="forwarder-demo-") as scratch,
        _logged(Path(scratch) / "worker.log"),
        EmbeddedRedis(port=None if keep else 0) as server,
    ):
        planned = plan(events, faults=faults)
        demo_view.title(len(planned.elements), events)
        async with _stand_in(Path(scratch), faults=faults) as (api_url, process):
            return await _main_job(server.url, api_url, process, planned, keep=keep, faults=faults)


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    """Writes the worker's log to a file, and prints its end if something goes wrong."""
    with file.open("w") as stream:
        writer = Writer(stream.fileno())
    logs.configure("console", "warning", writer)
    try:
        yield
    except Exception:
        writer.drain(1.0)
        demo_view.log_tail(file.read_text())
        raise


@asynccontextmanager
async def _stand_in(scratch: Path, *, faults: bool) -> AsyncIterator[tuple[str, Process]]:
    """Runs the stand-in API as a process of its own, on another core. It ends with this process, however that ends."""
    script = scratch / "faults.json"
    script.write_text((_FAULTS if faults else _FAIR).model_dump_json(by_alias=True))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "forwarder", "simulate", "--port", "0", "--api-key", _KEY),
        *("--faults", str(script), "--until-stdin-ends"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        line = (await process.stdout.readline()).decode()
        url = next((word for word in line.split() if word.startswith("http")), None)
        if url is None:
            raise ForwarderError(f"the stand-in API did not start: {line}")
        yield url, process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _settings(redis_url: str, api_url: str) -> Settings:
    return config.load(
        {},
        redis_url=redis_url,
        queue=_QUEUE,
        api_url=api_url,
        api_key=_KEY,
        rate_limit=0,  # the stand-in has no limit
        retry_initial=0.05,
        retry_max=1,
        admin_port=0,
        on_halt="exit",  # nobody would resume it
    )


async def _main_job(
    redis_url: str, api_url: str, stand_in: Process, planned: Purchases, *, keep: bool, faults: bool
) -> int:
    async with connect(redis_url) as redis:
        queue = QueueList(redis, Keys(_QUEUE))
        await _push(redis, planned.elements)
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        service = Service(_settings(redis_url, api_url), started=started.set_result, signals=False)
        begun = time.monotonic()
        working = asyncio.create_task(service.run())
        running = _Running(working, asyncio.create_task(stand_in.wait()))
        try:
            census = await _watched(queue, running, started, len(planned.elements), begun)
            seconds = time.monotonic() - begun
            admin = f"http://127.0.0.1:{started.result()}"
            seen = await demo_check.observe(queue, api_url, admin)
            checks = demo_check.verdict(planned, seen, census)
            demo_view.summary(demo_check.figures(seen, census) | {"seconds": f"{seconds:.1f}"}, checks, faults=faults)
            if keep:
                demo_view.commands(guide.steps(redis_url, api_url, admin))
                await _ctrl_c(running)
        finally:
            running.stand_in.cancel()
            service.stop()
            await asyncio.wait({working}, timeout=5)
    return 0 if all(check.holds for check in checks) else 1


@dataclass(frozen=True, slots=True)
class _Running:
    """What must not end before the demo does."""

    worker: asyncio.Task[None]
    stand_in: asyncio.Task[int]

    async def pause(self, seconds: float | None, until: Iterable[asyncio.Future[Any]] = ()) -> None:
        """Waits `seconds` (None: without a limit), or until one of `until` is done.

        Raises:
            ForwarderError: the worker or the stand-in API ended. An error of the worker is raised as it is.
        """
        parts: set[asyncio.Future[Any]] = {self.worker, self.stand_in}
        await asyncio.wait({*parts, *until}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.worker.done():
            await self.worker
            raise ForwarderError("the worker stopped before its work was done")
        if self.stand_in.done():
            raise ForwarderError(f"the stand-in API ended unexpectedly, with {self.stand_in.result()}")


async def _ctrl_c(running: _Running) -> None:
    """Waits for Ctrl-C or SIGTERM."""
    wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for number in signals.ending():
        asyncio.get_running_loop().add_signal_handler(number, wanted.cancel)
    await running.pause(None, until=[wanted])


async def _push(redis: Redis, elements: list[bytes]) -> None:
    """Pushes without our producer, which would refuse the elements that are not events."""
    for start in range(0, len(elements), 1_000):
        await redis.rpush(_QUEUE, *elements[start : start + 1_000])


async def _watched(
    queue: QueueList, running: _Running, started: asyncio.Future[int], events: int, begun: float
) -> Census:
    """Shows the progress until every event is decided."""
    await running.pause(None, until=[started])
    async with demo_check.scraping(f"http://127.0.0.1:{started.result()}") as scrape:
        with demo_view.progress(events) as show:
            while True:
                census = await queue.census()
                show(census, demo_check.live(await scrape()), time.monotonic() - begun)
                if not census.waiting and not census.claimed:
                    return census
                await running.pause(0.25)
