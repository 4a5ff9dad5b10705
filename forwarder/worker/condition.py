"""What the worker is doing, and whether it is ready."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from forwarder.diagnosis.facts import Own
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.findings import of_process
from forwarder.diagnosis.spans import sentence
from forwarder.operations.facts import halted, setup_of
from forwarder.outcome import PAUSED, HaltReason
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.halts import HaltRecord
from forwarder.worker.process import Process

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
    DELIVERING = "delivering"
    HALTED = "halted"
    #: Never entered, only shown by `readiness` after the request to stop; a halt or a Redis problem is shown instead.
    STOPPING = "stopping"
    STOPPED = "stopped"


#: Which states may follow each state.
NEXT: Mapping[State, frozenset[State]] = {
    State.STARTING: frozenset({State.STANDING_BY, State.DELIVERING, State.HALTED, State.STOPPED}),
    State.STANDING_BY: frozenset({State.DELIVERING, State.HALTED, State.STOPPED}),
    State.DELIVERING: frozenset({State.STANDING_BY, State.HALTED, State.STOPPED}),
    State.HALTED: frozenset({State.STANDING_BY, State.DELIVERING, State.STOPPED}),
    State.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work or stands by to do it; if something is wrong, what, and what to do about it."""

    ready: bool
    state: str
    reason: str = ""
    title: str = ""
    detail: str = ""
    remedy: str = ""

    @property
    def word(self) -> str:
        """What is wrong, or else what the worker does."""
        return self.reason or self.state

    @property
    def line(self) -> str:
        """All of it in one line, which `systemctl status` shows."""
        if not self.reason:
            return self.state
        return " ".join(filter(None, (f"{self.title}.", sentence(self.detail), self.remedy)))


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

    def __init__(self, process: Process, stopping: Stopping) -> None:
        #: The worker's name, for people.
        self.name = process.name
        #: What a remedy names.
        self.setup = setup_of(process.settings)
        self._queue = process.settings.queue
        self._metrics = process.metrics
        self._availabilities = process.availabilities
        self._stopping = stopping
        self._pacer = process.courier.pacer
        self._clock = process.clock
        self._failure = ""
        self.state = State.STARTING
        self.halt: HaltRecord | None = None
        #: By shard.
        self.owned: dict[int, OwnedList] = {}
        self._metrics.buffered_events.set_function(lambda: sum(each.buffered for each in self.owned.values()))
        self._metrics.oldest_claimed_age.set_function(
            lambda: max((each.oldest_age for each in self.owned.values()), default=0.0)
        )

    def be(self, state: State, halt: HaltRecord | None = None) -> None:
        """Enters a state and logs it. In the same state again, only the halt may change, and nothing is logged."""
        changed = state is not self.state
        assert not changed or state in NEXT[self.state], f"{self.state} to {state}"  # noqa: S101 - the table above
        self.state, self.halt = state, halt
        for reason in (*HaltReason, PAUSED):
            self._metrics.halted.labels(reason).set(halt is not None and halt.reason == reason)
        if changed and halt is not None:
            write = log.warning if halt.reason == PAUSED else log.error
            write(state, queue=self._queue, reason=halt.reason, detail=halt.detail, remedy=self.finding.remedy)
        elif changed:
            log.info(state, queue=self._queue)

    def work(self) -> None:
        """The worker delivers events if it owns lists; otherwise it stands by."""
        self.be(State.DELIVERING if self.owned else State.STANDING_BY)

    def failed(self, what: str) -> None:
        """A part of the process has failed through a defect of ours. From now on the process is not ready."""
        self._failure = what

    @property
    def own(self) -> Own:
        """What this process knows of itself."""
        stopping = self._stopping.orderly.is_set() and self.state in (State.DELIVERING, State.STANDING_BY)
        return Own(
            state=State.STOPPING if stopping else self.state,
            halt=None if self.halt is None else halted(self.halt),
            redis=self._availabilities.problem,
            defect=self._failure,
            silence=self._pacer.silence(self._clock()),
            name=self.name,
        )

    @property
    def finding(self) -> Finding:
        """What this process does, or what is wrong with it."""
        return of_process(self.own, self.setup)

    @property
    def readiness(self) -> Readiness:
        """Ready: it delivers or stands by, nothing stops it, nobody asked it to stop, and no part has failed."""
        own = self.own
        found = of_process(own, self.setup)
        ready = own.state in (State.DELIVERING, State.STANDING_BY) and not found.stops and not own.defect
        if found.anchor is None:
            return Readiness(ready, own.state)
        return Readiness(ready, self.state, found.reason, found.title, found.detail, found.remedy)
