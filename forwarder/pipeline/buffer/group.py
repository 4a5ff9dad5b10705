"""The events of one user in memory, and what the user is doing. Pure.

=============  ================================================  =====================
from           on                                                to
=============  ================================================  =====================
(absent)       add                                               READY
READY          add                                               READY
READY          take                                              IN_FLIGHT
IN_FLIGHT      add                                               IN_FLIGHT
IN_FLIGHT      back_off                                          BACKING_OFF
BACKING_OFF    add, back_off, recalled                           BACKING_OFF
IN_FLIGHT,     finish, with events in memory                     READY
BACKING_OFF    finish, with spilled events and no others         REFILLING
..             finish, without events                            (absent)
REFILLING      add                                               REFILLING
REFILLING      refill, with events                               READY
..             refill, without, and more are spilled             REFILLING
..             refill, without, and none is spilled              (absent)
=============  ================================================  =====================

A user whose batch failed stays BACKING_OFF through the batch's next POSTs, because that limits what the user may hold
in memory. There is no idle state to keep, so memory is bounded by the events.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf

from forwarder.api.request import BATCH_OVERHEAD
from forwarder.event import Event
from forwarder.queue.claim_ids import ClaimIds


class GroupState(Enum):
    """What a user with events here is doing."""

    #: It has events here and waits for its turn.
    READY = auto()
    #: Delivery has its batch.
    IN_FLIGHT = auto()
    #: Its batch failed and is retried.
    BACKING_OFF = auto()
    #: Its batch is done; older events are being read back, and newer ones must not come before them.
    REFILLING = auto()


#: The table above, for the test that walks it: which states may follow a call. None is "absent".
TRANSITIONS: dict[tuple[GroupState | None, str], frozenset[GroupState | None]] = {
    (None, "add"): frozenset({GroupState.READY}),
    (GroupState.READY, "add"): frozenset({GroupState.READY}),
    (GroupState.READY, "take"): frozenset({GroupState.IN_FLIGHT}),
    (GroupState.IN_FLIGHT, "add"): frozenset({GroupState.IN_FLIGHT}),
    (GroupState.IN_FLIGHT, "back_off"): frozenset({GroupState.BACKING_OFF}),
    (GroupState.IN_FLIGHT, "finish"): frozenset({GroupState.READY, GroupState.REFILLING, None}),
    (GroupState.BACKING_OFF, "add"): frozenset({GroupState.BACKING_OFF}),
    (GroupState.BACKING_OFF, "back_off"): frozenset({GroupState.BACKING_OFF}),
    (GroupState.BACKING_OFF, "recalled"): frozenset({GroupState.BACKING_OFF}),
    (GroupState.BACKING_OFF, "finish"): frozenset({GroupState.READY, GroupState.REFILLING, None}),
    (GroupState.REFILLING, "add"): frozenset({GroupState.REFILLING}),
    (GroupState.REFILLING, "refill"): frozenset({GroupState.READY, GroupState.REFILLING, None}),
}


@dataclass(slots=True)
class Group:
    """One user's events in memory, and the IDs of those that are only in Redis."""

    events: deque[Event] = field(default_factory=deque)
    #: When the oldest of `events` came.
    since: float = 0.0
    #: Length of the bodies of `events`.
    bytes: int = 0
    state: GroupState = GroupState.READY
    #: The longest body for this user, as of its latest batch.
    most: float = inf
    #: Newer than all of `events`.
    spilled: ClaimIds | None = None

    def take(self, most_events: int, most_bytes: int) -> tuple[Event, ...]:
        """Takes out the oldest events, as many as fit into one POST, but at least one."""
        size = BATCH_OVERHEAD + self.bytes + len(self.events)
        if len(self.events) <= most_events and size <= most_bytes:
            whole = tuple(self.events)  # one by one it takes ten times as long
            self.events.clear()
            self.bytes = 0
            return whole
        taken: list[Event] = []
        size = BATCH_OVERHEAD - 1  # one comma fewer than events
        while self.events and len(taken) < most_events:
            size += len(self.events[0].body) + 1
            if taken and size > most_bytes:
                break
            taken.append(self.events.popleft())
            self.bytes -= len(taken[-1].body)
        return tuple(taken)
