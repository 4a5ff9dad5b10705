"""The service: builds the parts, runs them together, and stops them."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from forwarder.admin.server import Admin
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.config import Settings
from forwarder.monitor.systemd import Systemd
from forwarder.pipeline.ending import Stopping
from forwarder.pipeline.parts import Parts, build
from forwarder.queue import connect
from forwarder.worker.condition import Readiness
from forwarder.worker.halts import remedy
from forwarder.worker.worker import State, Worker

log = structlog.get_logger()


class Service:
    """One worker and its admin address, as one unit that starts and stops.

    Args:
        settings: complete; an API key is required.
        started: told the admin port once it listens.
        signals: whether SIGTERM and SIGINT stop it.
        systemd: told how it fares, if systemd started this process.
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
        self._started = started
        self._stopping = Stopping(asyncio.Event(), asyncio.Event())

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
        """Works until :meth:`stop`, SIGTERM or SIGINT.

        Raises:
            ConfigurationError: something that only a person can mend; also inside an ExceptionGroup.
            PortInUseError: the admin address is taken.
            HaltedForGoodError: halted, with on_halt=exit.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            redis = connect(settings.redis_url.get_secret_value())
            stack.push_async_callback(redis.aclose)
            api = await stack.enter_async_context(Api.from_settings(settings, self._credentials))
            parts = build(settings, redis, self._credentials, api)
            worker = Worker(parts, self._stopping)
            admin = await stack.enter_async_context(Admin(parts, lambda: readiness(worker, parts, self._stopping)))
            log.info("listening", admin=f"http://{settings.admin_host}:{admin.port}", queue=settings.queue)
            self._started(admin.port)
            if self._signals:
                self._handle_signals(stack)
            # Up, whatever Redis and the API do: a start that waited for them would be given up and repeated.
            await stack.enter_async_context(
                self._systemd.told(lambda: _in_one_line(readiness(worker, parts, self._stopping)))
            )
            await worker.run()

    def _handle_signals(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
            stack.callback(loop.remove_signal_handler, number)


def readiness(worker: Worker, parts: Parts, stopping: Stopping) -> Readiness:
    """Ready: Redis serves, and this worker drains the list or stands by to do so, and was not asked to stop."""
    condition, problem = worker.condition, parts.reach.problem_of_any
    state = str(condition.state)
    if condition.halt is not None:
        halt = condition.halt
        return Readiness(ready=False, state=state, reason=halt.reason, detail=halt.detail, remedy=remedy(halt.reason))
    if problem is not None:
        advice = "look at Redis; the service goes on by itself"
        return Readiness(ready=False, state=state, reason="redis", detail=problem, remedy=advice)
    if stopping.orderly.is_set():
        return Readiness(ready=False, state=str(State.STOPPING))
    return Readiness(ready=condition.state in (State.DRAINING, State.STANDING_BY), state=state)


def _in_one_line(readiness: Readiness) -> str:
    """What `systemctl status` shows."""
    return ": ".join(filter(None, (readiness.state, readiness.reason, readiness.detail, readiness.remedy)))
