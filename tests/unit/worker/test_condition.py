"""What a worker is doing, and what is shown of the lists that it owns."""

import asyncio
import itertools
import time

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from forwarder import config
from forwarder.api.body_limit import BodyLimit
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.errors import UnreachableError
from forwarder.event import Event
from forwarder.outcome import HaltReason
from forwarder.pipeline.brake import Brake
from forwarder.pipeline.buffer.space import Limits
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.pace import Pace
from forwarder.pipeline.settlement import Settler
from forwarder.pipeline.stock import Stock
from forwarder.queue.claims import Claims
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys
from forwarder.queue.lease import Lease
from forwarder.queue.queue import Queue
from forwarder.worker.condition import NEXT, Condition, OwnedList, State, Stopping
from forwarder.worker.process import build

HALT = HaltRecord(HaltReason.CREDENTIALS, "the API answered 401", "2026-01-01T00:00:00Z", "")


class Worker:
    """A condition and what it depends on. Nothing of it is connected to anything."""

    def __init__(self) -> None:
        settings = config.Settings(api_key=SecretStr("k"), api_key_file=None)
        credentials = Credentials.from_settings(settings)
        queue = Queue(Redis(), settings.queue, settings.shards)
        process = build(settings, queue, credentials, Api.from_settings(settings, credentials))
        self.metrics = process.metrics
        self.availabilities = process.availabilities
        self.stopping = Stopping(asyncio.Event(), asyncio.Event())
        self.condition = Condition(process, self.stopping)

    def owned(self, *, events: int, age: float) -> OwnedList:
        claims = Claims(Lease(Redis(), Keys("events"), ttl=30.0), side="left")
        availability = self.availabilities.of("events")
        gate = Gate(claims.lease, margin=1.0, clock=time.monotonic)
        limits = Limits(events=1_000, bytes=1_000_000, events_per_post=100, body_bytes=500_000, linger=0.25)
        stock = Stock(
            claims,
            availability,
            limits=limits,
            body_limit=BodyLimit(limits.body_bytes),
            max_event_bytes=65_536,
            clock=time.monotonic,
        )
        settler = Settler(claims, gate, Brake(100), stock, availability, Pace(time.monotonic), self.metrics)
        stock.add([Event(number, 1, "u", b"{}") for number in range(events)])
        settler.expect(range(events), [int((time.time() - age) * 1e6)] * events)
        return OwnedList(stock, settler)

    def shown(self, name: str) -> float:
        return self.metrics.values()[name][""]


async def test_what_is_exposed_is_the_sum_over_the_owned_lists_and_the_highest_age() -> None:
    worker = Worker()
    worker.condition.owned |= {0: worker.owned(events=5, age=1.5), 3: worker.owned(events=7, age=9.0)}
    assert worker.shown("buffered_events") == 12
    assert worker.shown("oldest_claimed_age_seconds") == pytest.approx(9.0, abs=0.5)
    del worker.condition.owned[3]
    assert worker.shown("buffered_events") == 5
    assert worker.shown("oldest_claimed_age_seconds") == pytest.approx(1.5, abs=0.5)
    worker.condition.owned.clear()
    assert worker.shown("oldest_claimed_age_seconds") == 0


async def test_every_state_but_stopping_is_in_the_table_and_none_follows_on_stopped() -> None:
    """STOPPING is only shown, from the request to stop on."""
    assert set(itertools.chain(*NEXT.values())) | {State.STARTING} == set(State) - {State.STOPPING}
    assert NEXT[State.STOPPED] == frozenset()


@pytest.mark.parametrize(("before", "after"), [(one, other) for one in NEXT for other in State])
async def test_only_what_the_table_allows_may_follow(before: State, after: State) -> None:
    condition = Worker().condition
    condition.state = before
    if after is before or after in NEXT[before]:
        condition.be(after, HALT if after is State.HALTED else None)
        assert condition.state is after
    else:
        with pytest.raises(AssertionError):
            condition.be(after)


async def test_a_state_is_logged_once_and_a_halt_with_its_remedy() -> None:
    condition = Worker().condition
    with capture_logs() as lines:
        condition.work()
        condition.work()
        condition.be(State.HALTED, HALT)
        condition.be(State.HALTED, HALT)
    assert [(line["log_level"], line["event"]) for line in lines] == [("info", "standing by"), ("error", "halted")]
    assert lines[1]["reason"] == "credentials"
    assert "key" in lines[1]["remedy"]


async def test_a_worker_is_ready_while_it_delivers_or_stands_by_and_says_otherwise_why_not() -> None:
    worker = Worker()
    condition = worker.condition
    assert not condition.readiness.ready
    condition.work()
    assert condition.readiness.ready
    worker.availabilities.of("events").failed(UnreachableError("no answer"))
    assert (condition.readiness.ready, condition.readiness.reason) == (False, "redis")
    worker.availabilities.of("events").served()
    worker.stopping.orderly.set()
    assert condition.readiness.line == "stopping"
    condition.be(State.HALTED, HALT)
    assert condition.readiness.line.startswith("Halted: the API refuses the key. The API answered 401. Put the right")


async def test_a_defect_of_ours_ends_readiness_and_names_itself() -> None:
    condition = Worker().condition
    condition.work()
    condition.failed("the monitor has failed: KeyError")
    assert not condition.readiness.ready
    assert condition.readiness.detail == "the monitor has failed: KeyError"
