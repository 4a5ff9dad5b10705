"""One worker process of a simulated fleet: the real worker, built as the service builds it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from forwarder.config import Settings
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.worker.condition import Condition, Stopping
from forwarder.worker.halts import Halts
from forwarder.worker.process import Process, build
from forwarder.worker.worker import Worker
from tests.support.fleet.outside import Way
from tests.support.virtual.actors import ActorLoop, context_of


class Member:
    """A worker from its start to its end. After that it is never started again; its host starts another one.

    Args:
        name: of the process, unique.
        settings: of the process; its Redis URL names it.
        way: its way to the API.
        clock: virtual seconds.
    """

    def __init__(self, name: str, settings: Settings, way: Way, clock: Callable[[], float]) -> None:
        self.name = name
        self._settings = settings
        self.way = way
        self._clock = clock
        self.process: Process
        self.condition: Condition
        self.stopping = Stopping(asyncio.Event(), asyncio.Event())
        self.started = clock()
        self.is_frozen = False
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ActorLoop)
        self._loop = loop
        self.task = loop.create_task(self._run(), context=context_of(name))

    async def _run(self) -> None:
        settings = self._settings
        redis = connect(settings.redis_url.get_secret_value(), file=settings.redis_url_file)
        try:
            queue = Queue(redis, settings.queue, settings.shards)
            credentials = self.way.credentials
            process = build(settings, queue, credentials, self.way, clock=self._clock)
            self.process = process = replace(process, name=self.name)
            self.condition = condition = Condition(process, self.stopping)
            availability = process.availabilities.of(settings.queue)
            halts = Halts(queue, credentials, self.way.fingerprint, availability)
            await Worker(process, condition, halts, self.stopping).run()
        finally:
            await redis.aclose()

    @property
    def is_up(self) -> bool:
        return not self.task.done()

    @property
    def owned(self) -> list[int]:
        """The lists that it owns now."""
        return list(self.condition.owned) if hasattr(self, "condition") else []

    def freeze(self) -> None:
        """As SIGSTOP."""
        self.is_frozen = True
        self._loop.freeze(self.name)

    def thaw(self) -> None:
        """As SIGCONT."""
        self.is_frozen = False
        self._loop.thaw(self.name)

    def stop(self) -> None:
        """As SIGTERM."""
        self.stopping.orderly.set()

    async def end(self) -> None:
        """Ends the tasks of a process that is cut off from everything, and so is dead for everybody else."""
        self.thaw()
        while not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=0.1)
        if not self.task.cancelled():
            self.task.exception()
