"""What the worker is doing, and whether it is ready."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from forwarder.metrics import Metrics
from forwarder.outcome import HaltReason, remedy
from forwarder.pipeline.availability import Availabilities
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.halts import HaltRecord

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a process is asked to stop: ``orderly`` finishes what is in flight, ``at_once`` does not wait for it."""

    orderly: asyncio.Event
    at_once: asyncio.Event


class State(StrEnum):
    """What a worker is doing; the words of the log and of /readyz."""

    STARTING = "starting"
    STANDING_BY = "standing by"
    DRAINING = "draining"
    HALTED = "halted"
    #: Never entered, only shown by `readiness` after the request to stop; a halt or a Redis problem is shown instead.
    STOPPING = "stopping"
    STOPPED = "stopped"


#: Which states may follow each state.
NEXT: Mapping[State, frozenset[State]] = {
    State.STARTING: frozenset({State.STANDING_BY, State.DRAINING, State.HALTED, State.STOPPED}),
    State.STANDING_BY: frozenset({State.DRAINING, State.HALTED, State.STOPPED}),
    State.DRAINING: frozenset({State.STANDING_BY, State.HALTED, State.STOPPED}),
    State.HALTED: frozenset({State.STANDING_BY, State.DRAINING, State.STOPPED}),
    State.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work or stands by to do it; if not, why, and what to do."""

    ready: bool
    state: str
    reason: str = ""
    detail: str = ""
    remedy: str = ""

    @property
    def line(self) -> str:
        """All of it in one line, which `systemctl status` shows."""
        return ": ".join(filter(None, (self.state, self.reason, self.detail, self.remedy)))


@dataclass(frozen=True, slots=True)
class OwnedList:
    """What this process holds of one list that it owns. It is read when it is shown, so it is never out of date."""

    stock: Stock
    settler: Settler

    @property
    def buffered(self) -> int:
        """Claimed events in memory."""
        return self.stock.events

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest unsettled claim; 0 if there is none."""
        oldest = self.settler.oldest_stamp
        return max(0.0, time.time() - oldest / 1e6) if oldest else 0.0


class Condition:
    """What a worker is doing now: its state, why it is halted, and the lists that it owns."""

    def __init__(
        self, name: str, queue: str, metrics: Metrics, availabilities: Availabilities, stopping: Stopping
    ) -> None:
        #: The worker's name, for people.
        self.name = name
        self._queue = queue
        self._metrics = metrics
        self._availabilities = availabilities
        self._stopping = stopping
        self._failure = ""
        self.state = State.STARTING
        self.halt: HaltRecord | None = None
        #: By shard.
        self.owned: dict[int, OwnedList] = {}
        metrics.buffered_events.set_function(lambda: sum(each.buffered for each in self.owned.values()))
        metrics.oldest_claimed_age.set_function(
            lambda: max((each.oldest_age for each in self.owned.values()), default=0.0)
        )

    def be(self, state: State, halt: HaltRecord | None = None) -> None:
        """Enters a state and logs it. In the same state again, only the halt may change, and nothing is logged."""
        changed = state is not self.state
        assert not changed or state in NEXT[self.state], f"{self.state} to {state}"  # noqa: S101 - the table above
        self.state, self.halt = state, halt
        for reason in HaltReason:
            self._metrics.halted.labels(reason).set(halt is not None and halt.reason == reason)
        if changed and halt is not None:
            log.error(state, queue=self._queue, reason=halt.reason, detail=halt.detail, remedy=remedy(halt.reason))
        elif changed:
            log.info(state, queue=self._queue)

    def work(self) -> None:
        """The worker drains if it owns lists; otherwise it stands by."""
        self.be(State.DRAINING if self.owned else State.STANDING_BY)

    def failed(self, what: str) -> None:
        """A part of the process has failed through a defect of ours. From now on the process is not ready."""
        self._failure = what

    @property
    def readiness(self) -> Readiness:
        """Ready: it drains lists or stands by, Redis is available, nobody asked it to stop, and no part has failed."""
        halt, problem = self.halt, self._availabilities.problem
        if halt is not None:
            return Readiness(False, self.state, halt.reason, halt.detail, remedy(halt.reason))  # noqa: FBT003
        if problem is not None:
            return Readiness(False, self.state, "redis", problem.text, problem.remedy)  # noqa: FBT003
        if self._stopping.orderly.is_set():
            return Readiness(ready=False, state=State.STOPPING)
        if self._failure:
            advice = "restart the service, and report the error in its log"
            return Readiness(ready=False, state=self.state, reason="defect", detail=self._failure, remedy=advice)
        return Readiness(ready=self.state in (State.DRAINING, State.STANDING_BY), state=self.state)
