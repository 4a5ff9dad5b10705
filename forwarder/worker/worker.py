"""The life of a worker: own a share of the lists or stand by, halt, and over again until it is asked to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import structlog

from forwarder.api.verdict import Halt
from forwarder.outcome import HaltReason
from forwarder.pipeline.ending import Stopping
from forwarder.pipeline.parts import Parts
from forwarder.queue import Fleet, HaltRecord
from forwarder.worker.halts import halts, record, remedy
from forwarder.worker.shares import Shares

#: Seconds between two looks at a halt.
_LOOK = 1.0
#: Seconds after which the others forget a worker that is silent, at least: some of its looks may be late.
_REMEMBERED = 3.0

T = TypeVar("T")

log = structlog.get_logger()


class State(StrEnum):
    """What a worker is doing; the words of /readyz."""

    STARTING = "starting"
    STANDING_BY = "standing by"
    DRAINING = "draining"
    HALTED = "halted"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True)
class Condition:
    """What a worker is doing now, and if it is halted, why."""

    state: State = State.STARTING
    halt: HaltRecord | None = None


class ExitOnHaltError(Exception):
    """The service halted and is set to exit then (FORWARDER_ON_HALT=exit)."""

    def __init__(self, halt: HaltRecord) -> None:
        super().__init__(f"halted ({halt.reason}): {halt.detail}")
        self.halt = halt


class Worker:
    """Runs on the lists of one queue, with any number of others beside it: whoever holds a lease drains that list.

    Args:
        parts: what the process has built.
        stopping: set to stop; :meth:`run` then returns in good order.
    """

    def __init__(self, parts: Parts, stopping: Stopping) -> None:
        self._parts = parts
        self._stopping = stopping
        self._fleet = Fleet(
            parts.redis,
            parts.queue.name,
            len(parts.queue.lists),
            name=parts.name,
            remembered=min(parts.settings.lease_ttl, max(_REMEMBERED, parts.settings.lease_ttl / 3)),
        )
        self.condition = Condition()
        for shard in range(parts.keys.of):
            parts.metrics.lease_held.labels(str(shard)).set(0)

    async def run(self) -> None:
        """Works until asked to stop.

        Raises:
            WrongTypeError: a Redis key of a list holds another type; also inside an ExceptionGroup.
            ShardsDisagreeError: the queue has another number of lists than FORWARDER_SHARDS; as above.
            HaltedForGoodError: halted, with on_halt=exit.
        """
        while not self._stopping.orderly.is_set():
            halt = await self._served(self._parts.queue.halt)
            if halt is not None and not await self._outlived(halt):
                await self._halted(halt)
            elif not self._stopping.orderly.is_set():
                self._resumed()
                await self._work()
        self._be(State.STOPPED)

    async def _served(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """The command's result once Redis serves, or None when asked to stop before that."""
        reaching = asyncio.ensure_future(self._parts.reach.until(command))
        stop = asyncio.ensure_future(self._stopping.orderly.wait())
        try:
            await asyncio.wait({reaching, stop}, return_when=asyncio.FIRST_COMPLETED)
            return reaching.result() if reaching.done() else None
        finally:
            for task in (reaching, stop):
                task.cancel()

    async def _pause(self) -> None:
        """Until the next look, or until asked to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self._stopping.orderly.wait()

    def _be(self, state: State, halt: HaltRecord | None = None) -> None:
        if state is not self.condition.state:
            log.info(str(state), queue=self._parts.settings.queue)
        self.condition = Condition(state, halt)
        for reason in HaltReason:
            self._parts.metrics.halted.labels(reason).set(halt is not None and halt.reason == reason)

    async def _work(self) -> None:
        """Owns a share of the lists, until asked to stop or halted."""
        await Shares(self._parts, self._fleet, self._stopping, changed=self._owns, halt=self._halt).run()

    def _owns(self, lists: int) -> None:
        self._be(State.DRAINING if lists else State.STANDING_BY)

    async def _halt(self, stop: Halt) -> None:
        halt = record(stop)
        self._be(State.HALTED, halt)
        log.error("halted", reason=halt.reason, detail=halt.detail, remedy=remedy(halt.reason))
        await self._served(lambda: self._parts.queue.write_halt(halt))

    async def _outlived(self, halt: HaltRecord) -> bool:
        """Whether a halt is not meant for this process, or no longer: its key or its address is another one.

        Such a halt is ended: this worker is the proof that somebody has mended the cause.
        """
        self._parts.credentials.reload()
        if halts(halt, self._parts):
            return False
        if await self._served(lambda: self._parts.queue.end_halt(halt)):
            log.info("the halt is over: the refused key or address is not this worker's", reason=halt.reason)
        return True

    async def _halted(self, halt: HaltRecord) -> None:
        """Waits a moment in a halt, after which it is looked at again.

        Raises:
            HaltedForGoodError: with on_halt=exit.
        """
        if self.condition.state is not State.HALTED:
            log.error("halted", reason=halt.reason, detail=halt.detail, remedy=remedy(halt.reason))
        self._be(State.HALTED, halt)
        if self._parts.settings.on_halt == "exit":
            raise ExitOnHaltError(halt)
        await self._pause()

    def _resumed(self) -> None:
        """If a halt is over: whoever ended it has looked, so what led to it is no longer news."""
        match self.condition.halt:
            case HaltRecord(reason=HaltReason.MISDIRECTED):
                self._parts.trust.established = True
            case HaltRecord(reason=HaltReason.DEAD_LETTER_BRAKE):
                self._parts.brake.forget()
