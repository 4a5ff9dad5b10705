"""Claimed events, grouped by user, and which user's turn it is. Pure: no I/O, no clock of its own.

A user is in exactly one state:

* **ready**: has events and waits for its turn; the order of turns is :class:`FirstComeFirstServed`'s.
* **in flight**: its batch is with delivery, which holds it also while it backs off; new events collect.
* absent: no events here. There is no idle state to keep, so memory is bounded by the events.

A user that backs off may collect more than its share of the buffer. Then its collected events are spilled:
only their names stay, the room is free for others, and the bytes are read again when its turn comes.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from forwarder.event import BATCH_OVERHEAD, Event
from forwarder.spill import Spilled

#: The part of the buffer that a user who backs off may hold.
_SHARE = 100
#: How many buffers' worth of events may be claimed, spilled ones included.
_CLAIMED_BUFFERS = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """One POST's worth of one user's events, oldest first."""

    user: str
    events: tuple[Event, ...]


class Turns(Protocol):
    """In which order ready users are sent. The one place that an ordering policy replaces."""

    def enter(self, user: str, oldest: int) -> None:
        """`user` became ready; `oldest` is the sequence number of its oldest event."""

    def next(self) -> str | None:
        """The user whose turn it is; it stays entered until :meth:`leave`."""

    def leave(self, user: str) -> None:
        """`user` is no longer ready. Only ever called with what :meth:`next` returned."""


class FirstComeFirstServed:
    """The user whose oldest event was claimed first goes first. O(log n) a turn."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def enter(self, user: str, oldest: int) -> None:
        """See :class:`Turns`."""
        heapq.heappush(self._heap, (oldest, user))

    def next(self) -> str | None:
        """See :class:`Turns`."""
        return self._heap[0][1] if self._heap else None

    def leave(self, user: str) -> None:  # noqa: ARG002 - the heap's first, by contract
        """See :class:`Turns`."""
        heapq.heappop(self._heap)


@dataclass(slots=True)
class _Group:
    events: deque[Event] = field(default_factory=deque)
    #: When it began to wait for companions: at its first event, or when its last batch left it.
    since: float = 0.0
    bytes: int = 0
    in_flight: bool = False
    backing_off: bool = False
    #: Newer than every one of `events`.
    spilled: Spilled = field(default_factory=Spilled)


class Buffer:
    """Bounded in events and bytes: the caller asks for :meth:`room` before it adds.

    Events of a batch that is in flight still count, until :meth:`decided`.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        max_events_per_post: int,
        max_body_bytes: int,
        linger: float,
        turns: Callable[[], Turns] = FirstComeFirstServed,
    ) -> None:
        self.max_events = max_events
        self._max_bytes = max_bytes
        self._max_events_per_post = max_events_per_post
        self._max_body_bytes = max_body_bytes
        self._linger = linger
        self._turns = turns()
        self._groups: dict[str, _Group] = {}
        self.events = 0
        self.bytes = 0
        self.spilled = 0

    def room(self) -> tuple[int, int]:
        """How many more events, and how many more bytes of them, may be added."""
        claimable = _CLAIMED_BUFFERS * self.max_events - self.spilled - self.events
        return max(0, min(self.max_events - self.events, claimable)), max(0, self._max_bytes - self.bytes)

    def add(self, event: Event, now: float) -> None:
        """Appends a user's newest event. Events of one user must come in the order they were pushed."""
        group = self._groups.get(event.user)
        if group is None:
            group = self._groups[event.user] = _Group()
        if group.spilled or (group.backing_off and self._large(group)):
            group.spilled.append(event.number, event.stamp)
            self.spilled += 1
            return
        if not group.events:
            group.since = now
            if not group.in_flight:
                self._turns.enter(event.user, event.number)
        self._hold(group, event)

    def _hold(self, group: _Group, event: Event) -> None:
        group.events.append(event)
        group.bytes += len(event.body)
        self.events += 1
        self.bytes += len(event.body)

    def _large(self, group: _Group) -> bool:
        return len(group.events) > self.max_events // _SHARE or group.bytes > self._max_bytes // _SHARE

    def back_off(self, user: str) -> None:
        """The user's batch in flight is being tried again: what collects behind it is spilled if it is much."""
        group = self._groups[user]
        group.backing_off = True
        if not self._large(group):
            return
        newer, group.spilled = group.spilled, Spilled()
        for event in group.events:
            group.spilled.append(event.number, event.stamp)
        for number, stamp in newer.take(len(newer)):
            group.spilled.append(number, stamp)
        self.spilled += len(group.events)
        self.decided(group.events)
        group.events.clear()
        group.bytes = 0

    def to_reload(self, user: str) -> list[tuple[int, int]]:
        """(number, stamp) of the user's oldest spilled events, if it holds no others; each is told once.

        The user must be in flight. What is told comes back by :meth:`reload`, before :meth:`done`.
        """
        group = self._groups[user]
        if group.events:
            return []
        found = group.spilled.take(max(self._max_events_per_post, self.max_events // _SHARE))
        self.spilled -= len(found)
        return found

    def reload(self, user: str, events: Iterable[Event], now: float) -> None:
        """The bytes of spilled events are here again, in their order."""
        group = self._groups[user]
        group.since = now
        for event in events:
            self._hold(group, event)

    def due(self, *, hurry: bool) -> float | None:
        """When the next batch may go, on the caller's clock; None while no user is ready.

        Args:
            hurry: the queue is deep, companions are plenty: nobody lingers.
        """
        user = self._turns.next()
        if user is None:
            return None
        group = self._groups[user]
        if hurry or len(group.events) >= self._max_events_per_post:
            return group.since
        return group.since + self._linger

    def take(self, now: float) -> Batch | None:
        """The batch of the user whose turn it is; the user is in flight until :meth:`done`."""
        user = self._turns.next()
        if user is None:
            return None
        self._turns.leave(user)
        group = self._groups[user]
        group.in_flight = True
        taken: list[Event] = []
        size = BATCH_OVERHEAD - 1  # one comma fewer than events
        while group.events and len(taken) < self._max_events_per_post:
            size += len(group.events[0].body) + 1
            if taken and size > self._max_body_bytes:
                break
            taken.append(group.events.popleft())
            group.bytes -= len(taken[-1].body)
        group.since = now
        return Batch(user, tuple(taken))

    def decided(self, events: Iterable[Event]) -> None:
        """These events of a batch in flight are settled or as good as: their room is free again."""
        for event in events:
            self.events -= 1
            self.bytes -= len(event.body)

    def done(self, user: str) -> None:
        """The user's batch is no longer in flight; whatever has collected since is ready at once."""
        group = self._groups[user]
        group.in_flight = group.backing_off = False
        if group.events:
            self._turns.enter(user, group.events[0].number)
        elif not group.spilled:
            del self._groups[user]
