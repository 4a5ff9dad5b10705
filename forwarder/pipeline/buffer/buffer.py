"""Claimed events, grouped by user, and which user's turn it is. Pure: no I/O, no clock of its own.

A user is in exactly one state:

* **ready**: has events and waits for its turn.
* **in flight**: its batch is with delivery, which holds it also while it backs off; new events collect.
* absent: no events here. There is no idle state to keep, so memory is bounded by the events.

Whose turn it is decides how many POSTs a backlog costs: the largest group first, and every tenth POST to the
oldest group, so that nobody starves. When no more events wait than are here, nothing is gained by letting small
groups wait for companions, and the oldest goes first; only full groups, which cannot grow, go before it.
`python -m tests.programs.bench.scheduling` compares the orders.

A user that backs off may collect more than its share of the buffer. Then its collected events are spilled:
only their names stay, the room is free for others, and the bytes are read again when its turn comes. If so many users
back off that even the batches which they try again are more than their shares, the bytes of those are released too.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forwarder.api.request import BATCH_OVERHEAD
from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.turns import Turns
from forwarder.queue.claim_ids import ClaimIds

#: The part of the buffer that may collect behind the batch of a user who backs off; and the parts that all their
#: batches may be, and what collects behind them: half of the buffer in all.
_SHARE, _SHARE_OF_ALL = 100, 4
#: Users who may back off before no more is claimed: each takes some kilobytes, however little it holds.
_MOST_BACKING_OFF = 10_000
#: The part of the buffer that must be free before it is worth a claim.
_WORTH = 50
#: How many buffers' worth of events may be claimed, spilled ones included. With the default buffer two million,
#: whose names are 32 MB: one user may fail for long with a million events and the others flow on.
_CLAIMED_BUFFERS = 20


def _bodies(events: Iterable[Event]) -> int:
    return sum([len(event.body) for event in events])


def _mentions(events: Sequence[Event]) -> int:
    """Bytes in memory of the user of these events, which are all of one user: each event holds it by itself."""
    return len(events) * _mention(events[0].user) if events else 0


def _mention(user: str) -> int:
    # As long as an element may be; and one character beyond ASCII may make four bytes of each of the others.
    return len(user) if user.isascii() else 4 * len(user)


@dataclass(slots=True)
class _Group:
    events: deque[Event] = field(default_factory=deque)
    #: When it began to wait for companions: at its first event, or when its last batch left it.
    since: float = 0.0
    #: Of the bodies of `events`.
    bytes: int = 0
    in_flight: bool = False
    backing_off: bool = False
    #: Older events are being read again: newer ones must not come before them.
    reloading: bool = False
    #: Newer than every one of `events`.
    spilled: ClaimIds | None = None


class Buffer:
    """Bounded in events and bytes: the caller asks for :meth:`room` before it adds.

    Events of a batch that is in flight still count, until :meth:`decided`. Bytes are those of the bodies and of the
    users, who may be long too.

    Args:
        linger: seconds that a group which is not full waits for companions.
        oldest_every: every so many batches the oldest group goes first, whatever its size; with 1 always.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        max_events_per_post: int,
        max_body_bytes: int,
        linger: float,
        oldest_every: int = 10,
    ) -> None:
        self.max_events = max_events
        self._max_bytes = max_bytes
        self._max_events_per_post = max_events_per_post
        self._max_body_bytes = max_body_bytes
        self._linger = linger
        self._oldest_every = oldest_every
        self._taken = 0
        self._turns = Turns(max_events_per_post)
        self._groups: dict[str, _Group] = {}
        self._backing_off = 0
        self.events = 0
        self.bytes = 0
        self.spilled = 0

    def bound(self, *, max_events: int, max_bytes: int) -> None:
        """Other bounds from now on. What is more than they allow stays, and no more is claimed until it has left."""
        self.max_events, self._max_bytes = max_events, max_bytes

    def room(self) -> tuple[int, int]:
        """How many more events, and how many more bytes of them, may be added."""
        return max(0, min(self.max_events - self.events, self._claimable)), max(0, self._max_bytes - self.bytes)

    @property
    def full(self) -> bool:
        """Whether there is less room than is worth a claim."""
        events, room_bytes = self.room()
        return events < self._worth or room_bytes == 0 or self._backing_off >= _MOST_BACKING_OFF

    @property
    def overdrawn(self) -> bool:
        """Whether that is because so many events, or so many users, are tried again that no more may be claimed."""
        return self._claimable < self._worth or self._backing_off >= _MOST_BACKING_OFF

    @property
    def _worth(self) -> int:
        return max(1, self.max_events // _WORTH)

    @property
    def _claimable(self) -> int:
        return _CLAIMED_BUFFERS * self.max_events - self.spilled - self.events

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
            group = self._groups[user] = _Group()
        if group.spilled or group.reloading or (group.backing_off and self._large(group)):
            self._spill(group, newer)
            return
        before = len(group.events)
        if not before:
            group.since = now
        self._hold(group, newer)
        if group.in_flight:
            return
        if before:
            self._turns.grow(user, self._size(group))
        else:
            self._turns.enter(user, self._size(group), newer[0].number)

    def _size(self, group: _Group) -> int:
        """In events, as far as one POST goes: one that has its bytes together is full."""
        return self._max_events_per_post if group.bytes >= self._max_body_bytes else len(group.events)

    def _hold(self, group: _Group, events: Sequence[Event]) -> None:
        size = _bodies(events)
        group.events.extend(events)
        group.bytes += size
        self.events += len(events)
        self.bytes += size + _mentions(events)

    def _spill(self, group: _Group, events: Iterable[Event]) -> None:
        if group.spilled is None:
            group.spilled = ClaimIds()
        for event in events:
            group.spilled.append(event.number, event.stamp)
            self.spilled += 1

    def _large(self, group: _Group) -> bool:
        size = group.bytes + _mentions(group.events)
        return len(group.events) * self._shares > self.max_events or size * self._shares > self._max_bytes

    @property
    def _shares(self) -> int:
        """Into how many parts the buffer is divided of which a user who backs off may hold one."""
        return max(_SHARE, _SHARE_OF_ALL * self._backing_off)

    def back_off(self, batch: Batch) -> None:
        """This batch, in flight, will be tried again: what its user holds in memory beyond its share makes room.

        What collects behind it is spilled. The batch itself is released if it is more than a share of what all users
        who back off may hold; :meth:`recalled` must be told when it is here again.
        """
        group = self._groups[batch.user]
        self._backing_off += not group.backing_off
        group.backing_off = True
        if self._large(group):
            self._spill_all(group)
        size, all_shares = _bodies(batch.events) + _mentions(batch.events), _SHARE_OF_ALL * self._backing_off
        if len(batch.events) * all_shares > self.max_events or size * all_shares > self._max_bytes:
            self.decided(batch.events)
            self.bytes += _mention(batch.user)  # once, for all of them: that stays
            self.spilled += len(batch.events)
            batch.release()

    def _spill_all(self, group: _Group) -> None:
        newer, group.spilled = group.spilled, None
        self._spill(group, group.events)
        if newer is not None and group.spilled is not None:
            for number, stamp in newer.take(len(newer)):
                group.spilled.append(number, stamp)
        self.decided(group.events)
        group.events.clear()
        group.bytes = 0

    def recalled(self, batch: Batch) -> None:
        """The bytes of a released batch are here again."""
        self.spilled -= len(batch.events)
        self.events += len(batch.events)
        self.bytes += _bodies(batch.events) + _mentions(batch.events) - _mention(batch.user)

    def to_reload(self, user: str) -> list[tuple[int, int]]:
        """(number, stamp) of the user's oldest spilled events, if it holds no others; each is told once.

        The user must be in flight. What is told comes back by :meth:`reload`, before :meth:`done`.
        """
        group = self._groups[user]
        if group.events or group.spilled is None:
            return []
        found = group.spilled.take(max(self._max_events_per_post, self.max_events // _SHARE))
        self.spilled -= len(found)
        group.reloading = bool(found)
        return found

    def reload(self, user: str, events: Sequence[Event], now: float) -> None:
        """The bytes of spilled events are here again, in their order."""
        group = self._groups[user]
        group.since = now
        group.reloading = False
        self._hold(group, events)

    def due(self, now: float, *, deep: bool) -> float | None:
        """When the next batch may go, on the caller's clock; None while no user is ready.

        Args:
            now: on the caller's clock.
            deep: more events wait than are here.
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
        """The batch of the user whose turn it is; the user is in flight until :meth:`done`."""
        turn = self._turn(now, deep=deep)
        if turn is None:
            return None
        user = turn[0]
        self._taken += 1
        self._turns.leave(user)
        group = self._groups[user]
        group.in_flight = True
        group.since = now
        return Batch(user, self._taken_from(group))

    def _taken_from(self, group: _Group) -> tuple[Event, ...]:
        size = BATCH_OVERHEAD + group.bytes + len(group.events)
        if len(group.events) <= self._max_events_per_post and size <= self._max_body_bytes:
            whole = tuple(group.events)  # one by one it takes ten times as long
            group.events.clear()
            group.bytes = 0
            return whole
        taken: list[Event] = []
        size = BATCH_OVERHEAD - 1  # one comma fewer than events
        while group.events and len(taken) < self._max_events_per_post:
            size += len(group.events[0].body) + 1
            if taken and size > self._max_body_bytes:
                break
            taken.append(group.events.popleft())
            group.bytes -= len(taken[-1].body)
        return tuple(taken)

    def decided(self, events: Sequence[Event]) -> None:
        """These events of a batch in flight are settled or as good as: their room is free again."""
        self.events -= len(events)
        self.bytes -= _bodies(events) + _mentions(events)

    def done(self, user: str) -> None:
        """The user's batch is no longer in flight; whatever has collected since is ready at once."""
        group = self._groups[user]
        self._backing_off -= group.backing_off
        group.in_flight = group.backing_off = False
        if group.events:
            self._turns.enter(user, self._size(group), group.events[0].number)
        elif not group.spilled:
            del self._groups[user]
