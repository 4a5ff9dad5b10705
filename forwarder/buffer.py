"""Claimed events, grouped by user, and which user's turn it is. Pure: no I/O, no clock of its own.

A user is in exactly one state:

* **ready**: has events and waits for its turn; the order of turns is :class:`FirstComeFirstServed`'s.
* **in flight**: its batch is with delivery, which holds it also while it backs off; new events collect.
* absent: no events here. There is no idle state to keep, so memory is bounded by the events.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from forwarder.event import BATCH_OVERHEAD, Event


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
    in_flight: bool = False


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

    def room(self) -> tuple[int, int]:
        """How many more events, and how many more bytes of them, may be added."""
        return max(0, self.max_events - self.events), max(0, self._max_bytes - self.bytes)

    def add(self, event: Event, now: float) -> None:
        """Appends a user's newest event. Events of one user must come in the order they were pushed."""
        group = self._groups.get(event.user)
        if group is None:
            group = self._groups[event.user] = _Group()
        if not group.events:
            group.since = now
            if not group.in_flight:
                self._turns.enter(event.user, event.number)
        group.events.append(event)
        self.events += 1
        self.bytes += len(event.body)

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
        group.in_flight = False
        if group.events:
            self._turns.enter(user, group.events[0].number)
        else:
            del self._groups[user]
