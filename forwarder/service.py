"""The service: builds a process, runs it, stops it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from signal import SIGHUP
from typing import Any

import structlog

from forwarder import __version__
from forwarder.admin.server import Admin
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.config import Settings, api_url
from forwarder.logs import setup as logs
from forwarder.metrics import Metrics
from forwarder.monitor.monitor import Monitor
from forwarder.monitor.systemd import Systemd
from forwarder.queue.queue import Queue
from forwarder.queue.wire import url as redis_url
from forwarder.queue.wire.connection import connect
from forwarder.runtime import signals
from forwarder.worker.condition import Condition, Stopping
from forwarder.worker.halts import Halts
from forwarder.worker.process import build
from forwarder.worker.worker import Worker

log = structlog.get_logger()


class Service:
    """One worker, its monitor and its admin address, as one unit that starts and stops.

    Args:
        settings: complete; an API key is required.
        started: called with the admin port once it listens.
        signals: whether SIGTERM, SIGINT and SIGHUP stop it.
        systemd: notified of the state, if systemd started this process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        started: Callable[[int], None] = lambda _: None,
        signals: bool = True,
        systemd: Systemd | None = None,
    ) -> None:
        self._signals = signals
        self._systemd = systemd or Systemd({})
        self._settings = settings
        self._credentials = Credentials.from_settings(settings)
        self._api = Api.from_settings(settings, self._credentials)
        self._started = started
        self._stopping = Stopping(asyncio.Event(), asyncio.Event())

    @property
    def identity(self) -> dict[str, str | int]:
        """What a person compares first when something is wrong: which program, with what settings. No secrets."""
        return {
            "version": __version__,
            "api": f"{api_url.shown(self._settings.api_url)}/{self._settings.api_version}",
            **({} if self._api.proxy is None else {"proxy": self._api.proxy}),
            "redis": redis_url.shown(self._settings.redis_url.get_secret_value()),
            "queue": self._settings.queue,
            "lists": self._settings.shards,
            "key_fingerprint": self._credentials.fingerprint,
        }

    def stop(self) -> None:
        """The first call finishes what is in flight and stops; the second one stops at once. Nothing is lost."""
        if self._stopping.orderly.is_set():
            log.warning("stopping at once: what is in flight may be sent again by the next owner")
            self._stopping.at_once.set()
        else:
            log.info("stopping: finishing what is in flight")
            self._systemd.stopping()
            self._stopping.orderly.set()

    async def run(self) -> None:
        """Works until :meth:`stop`, or one of those signals.

        Raises:
            ConfigurationError: something that only a person can fix; also inside an ExceptionGroup.
            PortInUseError: the admin address is taken.
            ExitOnHaltError: halted, with on_halt=exit.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            redis = connect(settings.redis_url.get_secret_value(), file=settings.redis_url_file)
            stack.push_async_callback(redis.aclose)
            api = await stack.enter_async_context(self._api)
            queue = Queue(redis, settings.queue, settings.shards)
            process = build(settings, queue, self._credentials, api)
            condition = Condition(process, self._stopping)
            availability = process.availabilities.of(settings.queue)
            halts = Halts(queue, self._credentials, api.fingerprint, availability)
            worker = Worker(process, condition, halts, self._stopping)
            monitor = Monitor(queue, process.metrics, state=lambda: condition.readiness.word, clock=process.clock)
            stack.push_async_callback(monitor.close)
            admin = await stack.enter_async_context(
                Admin(settings, queue, monitor, condition, process.metrics, process.courier)
            )
            await stack.enter_async_context(_beside(monitor.run(), "the monitor", condition))
            await stack.enter_async_context(_beside(admin.report(), "the report of what is wrong", condition))
            await stack.enter_async_context(_beside(process.courier.watch(), "the watch for outages", condition))
            stack.callback(logs.write_repeated, at_once=True)
            counting = _count_log_lines(process.metrics)
            await stack.enter_async_context(_beside(counting, "the counter of log lines", condition))
            if self._signals:  # first, as a reader of the next line may stop the service at once
                self._handle_signals(stack)
            log.info("listening", admin=f"http://{settings.admin_host}:{admin.port}", queue=settings.queue)
            self._started(admin.port)
            # Up, whether or not Redis and the API are: a start that waited for them would be given up and repeated.
            await stack.enter_async_context(self._systemd.notified(lambda: condition.readiness.line))
            await worker.run()

    def _handle_signals(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in signals.ending():
            loop.add_signal_handler(number, self._hang_up if number == SIGHUP else self.stop)
            stack.callback(loop.remove_signal_handler, number)

    def _hang_up(self) -> None:
        # When a terminal closes, both the kernel and the shell may send it. A second one asks for nothing more.
        if not self._stopping.orderly.is_set():
            self.stop()


async def _count_log_lines(metrics: Metrics) -> None:
    """Once a second, writes how often lines were repeated or could not be written, and counts the latter."""
    counted = 0
    while True:
        logs.write_repeated()
        dropped = logs.dropped()
        metrics.log_lines_dropped.inc(dropped - counted)
        counted = dropped
        await asyncio.sleep(1.0)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], name: str, condition: Condition) -> AsyncIterator[None]:
    """Runs what events do not depend on. If it ends by a defect of ours, events go on, and the process is not ready."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the process has failed; events go on", part=name, exc_info=error)
            condition.failed(f"{name} has failed: {type(error).__name__}")

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
