"""The table of a user's states: every row of it happens, and no call changes a state otherwise."""

from collections.abc import Callable

import pytest

from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.buffer.group import TRANSITIONS, GroupState
from forwarder.pipeline.buffer.space import Limits
from forwarder.queue.claim_ids import ClaimId

ABSENT, READY, IN_FLIGHT = None, GroupState.READY, GroupState.IN_FLIGHT
BACKING_OFF, REFILLING = GroupState.BACKING_OFF, GroupState.REFILLING


class OneUser:
    """A buffer with a single user. A POST takes two events, and one who backs off may hold one event behind them."""

    def __init__(self) -> None:
        self.buffer = Buffer(Limits(events=100, bytes=10_000, events_per_post=2, body_bytes=10_000, linger=0.0))
        self.batch = Batch("u", ())
        self.pushed = 0

    def state(self) -> GroupState | None:
        group = self.buffer._groups.get("u")
        return None if group is None else group.state

    def add(self) -> None:
        self.pushed += 1
        self.buffer.add([Event(self.pushed, 0, "u", b"{}")], 0.0)

    def take(self) -> None:
        batch = self.buffer.take(0.0, deep=True)
        assert batch is not None
        self.batch = batch

    def back_off(self) -> None:
        self.buffer.back_off(self.batch)

    def recalled(self) -> None:
        self.batch.release(3 * len(self.batch.events))
        self.buffer.space.spilled += len(self.batch.events)
        self.buffer.recalled(self.batch)

    def finish(self) -> None:
        self.buffer.finish("u")

    def unspill(self) -> list[ClaimId]:
        need = self.buffer.wanted("u", 0.0)
        assert need is not None
        return self.buffer.unspill("u", need)

    def refill(self) -> None:
        self.buffer.refill("u", [Event(number, stamp, "u", b"{}") for number, stamp in self.unspill()])

    def refill_nothing(self) -> None:
        """Somebody else has taken the events meanwhile."""
        self.unspill()
        self.buffer.refill("u", [])


U = OneUser
#: Two events are spilled behind a batch that backs off, and the batch is done.
SPILLED: list[Callable[[OneUser], None]] = [U.add, U.take, U.add, U.add, U.back_off, U.finish]
Walk = tuple[list[Callable[[OneUser], None]], GroupState | None, str, GroupState | None]

#: What brings a user from nothing into a state, then the call, and the state after it.
WALKS: list[Walk] = [
    ([U.add], ABSENT, "add", READY),
    ([U.add, U.add], READY, "add", READY),
    ([U.add, U.take], READY, "take", IN_FLIGHT),
    ([U.add, U.take, U.add], IN_FLIGHT, "add", IN_FLIGHT),
    ([U.add, U.take, U.back_off], IN_FLIGHT, "back_off", BACKING_OFF),
    ([U.add, U.take, U.finish], IN_FLIGHT, "finish", ABSENT),
    ([U.add, U.take, U.add, U.finish], IN_FLIGHT, "finish", READY),
    ([*SPILLED, U.add, U.refill, U.take, U.finish], IN_FLIGHT, "finish", REFILLING),
    ([U.add, U.take, U.back_off, U.add], BACKING_OFF, "add", BACKING_OFF),
    ([U.add, U.take, U.back_off, U.back_off], BACKING_OFF, "back_off", BACKING_OFF),
    ([U.add, U.take, U.back_off, U.recalled], BACKING_OFF, "recalled", BACKING_OFF),
    ([U.add, U.take, U.back_off, U.finish], BACKING_OFF, "finish", ABSENT),
    ([U.add, U.take, U.back_off, U.add, U.finish], BACKING_OFF, "finish", READY),
    (SPILLED, BACKING_OFF, "finish", REFILLING),
    ([*SPILLED, U.add], REFILLING, "add", REFILLING),
    ([*SPILLED, U.refill], REFILLING, "refill", READY),
    ([*SPILLED, U.refill_nothing], REFILLING, "refill", ABSENT),
    ([*SPILLED, U.add, U.refill_nothing], REFILLING, "refill", REFILLING),
]


@pytest.mark.parametrize(("calls", "before", "call", "after"), WALKS)
def test_a_call_changes_the_state_as_the_table_says(
    calls: list[Callable[[OneUser], None]], before: GroupState | None, call: str, after: GroupState | None
) -> None:
    user = OneUser()
    for each in calls[:-1]:
        each(user)
    assert user.state() is before
    calls[-1](user)
    assert user.state() is after
    assert after in TRANSITIONS[before, call]


def test_every_row_of_the_table_is_walked() -> None:
    walked = {(before, call, after) for _, before, call, after in WALKS}
    assert walked == {(before, call, after) for (before, call), afters in TRANSITIONS.items() for after in afters}
