"""Claimed events, grouped by user, and which user is next. Pure: no I/O, no clock of its own.

Which user is next decides how many POSTs a backlog costs: the largest group first, and every tenth POST goes to the
oldest group, so that nobody starves. When the list is empty, there is nothing to gain from letting small groups wait,
and the oldest group goes first; only full groups, which cannot grow, go before it.
`python -m tests.programs.bench.scheduling` compares the orders.

Example with one POST at a time: u-1 has 2,000 events, 100 other users have 10 each, and 100 events fit into a POST.
Nine POSTs take 900 events of u-1. The tenth goes to the user whose oldest event came first, even with 10 events.

A user who backs off may collect more than its share of the buffer. Then its collected events are spilled: only their
IDs stay, the room is free for others, and the bytes are read again when its turn comes. If many users back off, even
the batches that they retry are more than their shares. Then the bytes of these batches are released too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from forwarder.api.body_limit import BodyLimit
from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.group import Group, GroupState
from forwarder.pipeline.buffer.turns import Turns
from forwarder.queue.claim_ids import ClaimIds

#: A user who is backing off may hold 1/100 of the buffer behind its batch: 1,000 events of the default 100,000.
_SHARE = 100
#: All batches that back off together may hold 1/4 of the buffer, and so may the events that wait behind them.
#: With 50 users backing off each may hold 1/200 behind its batch: 500 events.
_SHARE_OF_ALL = 4
#: No more is claimed while this many users back off: each takes some kilobytes, however little it holds.
_MOST_BACKING_OFF = 10_000
#: A claim is worth a round trip if at least 1/50 of the buffer is free: 2,000 events of the default.
_WORTH = 50
#: At most 20 buffers' worth of events may be claimed, spilled ones included. With the default that is two million,
#: whose IDs are 32 MB: one user may fail for hours with a million events while the others are served.
_CLAIMED_BUFFERS = 20

# Looked up once: an attribute of an Enum class costs more than a name, and these are compared for every event.
_READY, _IN_FLIGHT, _BACKING_OFF = GroupState.READY, GroupState.IN_FLIGHT, GroupState.BACKING_OFF
_REFILLING = GroupState.REFILLING


@dataclass(frozen=True, slots=True)
class Limits:
    """What one list may hold in memory, and what one POST may hold.

    Attributes:
        linger: seconds that a group which is not full waits for more events.
    """

    events: int
    bytes: int
    events_per_post: int
    body_bytes: int
    linger: float


class Room(NamedTuple):
    """How many more events, and how many more bytes of them, may be added."""

    events: int
    bytes: int


def _bodies(events: Iterable[Event]) -> int:
    return sum([len(event.body) for event in events])


def _mentions(events: Sequence[Event]) -> int:
    """Bytes of the user IDs of these events, which are all of one user. Each event holds its own copy."""
    return len(events) * _mention(events[0].user) if events else 0


def _mention(user: str) -> int:
    # An ID may be as long as an element. One character beyond ASCII can make each of the others take four bytes.
    return len(user) if user.isascii() else 4 * len(user)


class Buffer:
    """Bounded in events and bytes: the caller asks for :meth:`room` before it adds.

    Events of a batch that is in flight still count, until :meth:`free`. Bytes are those of the bodies and of the
    users, who may be long too. What a user is doing, and what each call changes about it, is the table in `group`.

    Args:
        limits: how much it may hold.
        body_limit: what one POST may hold, as far as it is known by now.
        oldest_every: of this many batches in a row, one is the oldest group's, whatever its size; with 1, all are.
    """

    def __init__(self, limits: Limits, *, body_limit: BodyLimit | None = None, oldest_every: int = 10) -> None:
        self.bound(limits)
        self._max_events_per_post = limits.events_per_post
        self._body_limit = body_limit or BodyLimit(limits.body_bytes)
        self._linger = limits.linger
        self._oldest_every = oldest_every
        self._taken = 0
        self._turns = Turns(limits.events_per_post)
        self._groups: dict[str, Group] = {}
        self._backing_off = 0
        self.events = 0
        self.bytes = 0
        self.spilled = 0

    def bound(self, limits: Limits) -> None:
        """From now on these bounds apply to events and bytes. What exceeds them stays until it is decided."""
        self._max_events, self._max_bytes = limits.events, limits.bytes

    @property
    def users(self) -> int:
        return len(self._groups)

    def room(self) -> Room:
        events = max(0, min(self._max_events - self.events, self._claimable))
        return Room(events, max(0, self._max_bytes - self.bytes))

    @property
    def full(self) -> bool:
        """Whether there is less room than is worth a claim."""
        room = self.room()
        return room.events < self._worth or room.bytes == 0 or self._backing_off >= _MOST_BACKING_OFF

    @property
    def overdrawn(self) -> bool:
        """Whether nothing may be claimed because too many events, or too many users, are being retried."""
        return self._claimable < self._worth or self._backing_off >= _MOST_BACKING_OFF

    @property
    def _worth(self) -> int:
        return max(1, self._max_events // _WORTH)

    @property
    def _claimable(self) -> int:
        return _CLAIMED_BUFFERS * self._max_events - self.spilled - self.events

    def add(self, events: Iterable[Event], now: float) -> None:
        """Appends the newest events. Those of one user must come in the order they were pushed."""
        by_user: dict[str, list[Event]] = {}
        for event in events:
            by_user.setdefault(event.user, []).append(event)
        for user, newer in by_user.items():
            self._add(user, newer, now)

    def _add(self, user: str, newer: list[Event], now: float) -> None:
        group = self._groups.get(user)
        if group is None:
            group = self._groups[user] = Group()
        state = group.state
        if group.spilled or state is _REFILLING or (state is _BACKING_OFF and self._large(group)):
            self._spill(group, newer)
            return
        before = len(group.events)
        if not before:
            group.since = now
        self._hold(group, newer)
        if state is not _READY:
            return
        if before:
            self._turns.grow(user, self._size(group))
        else:
            self._turns.enter(user, self._size(group), newer[0].number)

    def _size(self, group: Group) -> int:
        """The size in events. A group that has enough bytes for one POST counts as full."""
        return self._max_events_per_post if group.bytes >= self._body_limit.of_all else len(group.events)

    def _hold(self, group: Group, events: Sequence[Event]) -> None:
        size = _bodies(events)
        group.events.extend(events)
        group.bytes += size
        self.events += len(events)
        self.bytes += size + _mentions(events)

    def _spill(self, group: Group, events: Iterable[Event]) -> None:
        if group.spilled is None:
            group.spilled = ClaimIds()
        for event in events:
            group.spilled.append(event.number, event.stamp)
            self.spilled += 1

    def _large(self, group: Group) -> bool:
        size = group.bytes + _mentions(group.events)
        return len(group.events) * self._shares > self._max_events or size * self._shares > self._max_bytes

    @property
    def _shares(self) -> int:
        """A user who is backing off may hold one part of the buffer; this is the number of parts."""
        return max(_SHARE, _SHARE_OF_ALL * self._backing_off)

    def back_off(self, batch: Batch) -> None:
        """This batch, in flight, will be retried: what its user holds in memory beyond its share makes room.

        What collects behind it is spilled. The batch itself is released if it is more than a share of what all users
        who back off may hold; call :meth:`recalled` when its bytes are here again.
        """
        group = self._groups[batch.user]
        self._backing_off += group.state is not _BACKING_OFF
        group.state = _BACKING_OFF
        if self._large(group):
            self._spill_all(group)
        size, all_shares = _bodies(batch.events) + _mentions(batch.events), _SHARE_OF_ALL * self._backing_off
        if len(batch.events) * all_shares > self._max_events or size * all_shares > self._max_bytes:
            self.free(batch.events)
            self.bytes += _mention(batch.user)  # the batch keeps the user's ID, once for all of its events
            self.spilled += len(batch.events)
            batch.release()

    def _spill_all(self, group: Group) -> None:
        newer, group.spilled = group.spilled, None
        self._spill(group, group.events)
        if newer is not None and group.spilled is not None:
            for number, stamp in newer.take(len(newer)):
                group.spilled.append(number, stamp)
        self.free(group.events)
        group.events.clear()
        group.bytes = 0

    def recalled(self, batch: Batch) -> None:
        """The bytes of a released batch are here again."""
        self.spilled -= len(batch.events)
        self.events += len(batch.events)
        self.bytes += _bodies(batch.events) + _mentions(batch.events) - _mention(batch.user)

    def due(self, now: float, *, deep: bool) -> float | None:
        """When the next batch may go, on the caller's clock; None while no user is ready.

        Args:
            now: on the caller's clock.
            deep: whether the latest claim left events in the list.
        """
        turn = self._turn(now, deep=deep)
        return turn and turn[1]

    def _turn(self, now: float, *, deep: bool) -> tuple[str, float] | None:
        """Whose turn it is, and from when."""
        largest = self._turns.largest()
        if largest is None:
            return None
        size_first = (self._taken + 1) % self._oldest_every > 0
        if size_first and self._is_full(largest):  # nearly always in a backlog, and it waits for nothing
            return largest, self._groups[largest].since
        oldest = self._turns.oldest() or largest
        hurry = deep and self.full
        first, second = (largest, oldest) if size_first and deep else (oldest, largest)
        due = self._due(first, hurry=hurry)
        if due <= now or first == second:
            return first, due
        return min((first, due), (second, self._due(second, hurry=hurry)), key=lambda turn: turn[1])

    def _is_full(self, user: str) -> bool:
        return self._size(self._groups[user]) >= self._max_events_per_post

    def _due(self, user: str, *, hurry: bool) -> float:
        since = self._groups[user].since
        return since if hurry or self._is_full(user) else since + self._linger

    def take(self, now: float, *, deep: bool) -> Batch | None:
        """The batch of the user whose turn it is; the user is in flight until :meth:`finish`."""
        turn = self._turn(now, deep=deep)
        if turn is None:
            return None
        user = turn[0]
        self._taken += 1
        self._turns.leave(user)
        group = self._groups[user]
        group.state = _IN_FLIGHT
        group.since = now
        return Batch(user, group.take(self._max_events_per_post, self._body_limit.most(user, now)))

    def free(self, events: Sequence[Event]) -> None:
        """These events are decided, or only their IDs stay: their room is free again."""
        self.events -= len(events)
        self.bytes -= _bodies(events) + _mentions(events)

    def finish(self, user: str) -> list[tuple[int, int]]:
        """The user's batch is no longer in flight. Events that have collected meanwhile are ready at once.

        Returns (number, stamp) of the user's oldest spilled events if it has no others: pass them to :meth:`refill`,
        with their bytes. Until then the user is not ready.
        """
        group = self._groups[user]
        self._backing_off -= group.state is _BACKING_OFF
        return self._go_on(user, group)

    def refill(self, user: str, events: Sequence[Event], now: float) -> list[tuple[int, int]]:
        """The bytes of spilled events are here again, in their order. Returns what :meth:`finish` returns."""
        group = self._groups[user]
        group.since = now
        self._hold(group, events)
        return self._go_on(user, group)

    def _go_on(self, user: str, group: Group) -> list[tuple[int, int]]:
        if group.events:
            group.state = _READY
            self._turns.enter(user, self._size(group), group.events[0].number)
        elif group.spilled:
            group.state = _REFILLING
            found = group.spilled.take(max(self._max_events_per_post, self._max_events // _SHARE))
            self.spilled -= len(found)
            return found
        else:
            del self._groups[user]
        return []
