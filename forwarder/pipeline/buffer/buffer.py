"""Claimed events, grouped by user, and which user is next. Pure: no I/O, no clock of its own.

Which user is next decides how many POSTs a backlog costs: the largest group first, and every tenth POST goes to the
oldest group, so that nobody starves. When the list is empty, there is nothing to gain from letting small groups wait,
and the oldest group goes first; only full groups, which cannot grow, go before it.
`python -m tests.programs.bench.scheduling` compares the orders.

Example with one POST at a time: u-1 has 2,000 events, 100 other users have 10 each, and 100 events fit into a POST.
Nine POSTs take 900 events of u-1. The tenth goes to the user whose oldest event came first, even with 10 events.

A full group goes at once. How long any other group waits for more events, its patience, is:

===============================================================  ======================
when                                                             seconds
===============================================================  ======================
more events wait in Redis, and the buffer is nine tenths full    0
more events wait in Redis, and claims fill the buffer: its turn
by size; only if POSTs are not limited per second                10, or linger if longer
otherwise                                                        linger
===============================================================  ======================

Example of the second line: 300,000 events wait, and there is no rate limit. A busy process could send the first 2,000
events before it claims the next ones, 3 to a POST. So it sends nothing but full groups, and one POST in ten for the
oldest group, until 90,000 events are here. From then on the largest groups have dozens of events.

A user who backs off may collect more than its share of the buffer. Then its collected events are spilled: only their
IDs stay, the room is free for others, and what a POST takes is read again when its turn comes. If many users back off,
even the batches that they retry are more than their shares. Then the bytes of these batches are released too.
The same goes for a user in flight, whose share is larger. One user may have a million events, and each of them may be
refused by a POST of its own.
"""

from collections.abc import Iterable, Sequence

from forwarder.api.body_limit import BodyLimit
from forwarder.api.request import BATCH_OVERHEAD
from forwarder.event import Event
from forwarder.pipeline.buffer.arrivals import Arrivals
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.group import Group, GroupState
from forwarder.pipeline.buffer.space import Limits, Room, Space, mention, size_of
from forwarder.pipeline.buffer.turns import Turns
from forwarder.queue.claim_ids import ClaimId, ClaimIds

#: While claims fill the buffer, a group that is not full waits until it is this many seconds old. At 40,000 claims a
#: second, 90,000 events are here after 2.3 s. At 4,000 they never are, but each group finds what belongs to it among
#: 40,000 events.
_PATIENCE = 10.0

#: A user who is backing off may hold 1/100 of the room behind its batch: 1,000 events with the defaults.
_SHARE = 100
#: All batches that back off together may hold 1/4 of the room, and so may the events that wait behind them.
#: With 50 users backing off each may hold 1/200 behind its batch: 500 events.
_SHARE_OF_ALL = 4

#: A user in flight may hold 1/4 of the room behind its batch, so two users leave half of the room to the others. It is
#: not less, because what a healthy user spills is read from Redis twice.
_SHARE_IN_FLIGHT = 4

#: This many events are spilled in one step, which takes 5 ms. One user may have a million in a large buffer.
_SPILLED_AT_ONCE = 10_000

# Looked up once: an attribute of an Enum class costs more than a name, and these are compared for every event.
_READY, _IN_FLIGHT, _BACKING_OFF = GroupState.READY, GroupState.IN_FLIGHT, GroupState.BACKING_OFF
_REFILLING = GroupState.REFILLING


class Buffer:
    """Holds events as long as there is :attr:`space`, which the caller asks before it adds.

    Events of a batch that is in flight still count, until :meth:`free`. What a user is doing, and what each call
    changes about it, is the table in `group`.

    Args:
        limits: how much it may hold.
        body_limit: what one POST may hold, as far as it is known by now.
        oldest_every: of this many batches in a row, one is the oldest group's, whatever its size; with 1, all are.
    """

    def __init__(self, limits: Limits, *, body_limit: BodyLimit | None = None, oldest_every: int = 10) -> None:
        self.space = Space(limits)
        self._max_events_per_post = limits.events_per_post
        self._body_limit = body_limit or BodyLimit(limits.body_bytes)
        self._linger = limits.linger
        self._patience_by_size = max(_PATIENCE, limits.linger) if limits.fill_first else limits.linger
        self._oldest_every = oldest_every
        self._taken = 0
        self._turns = Turns(limits.events_per_post)
        self._groups: dict[str, Group] = {}
        self._newest = 0
        self._arrivals = Arrivals(max(_PATIENCE, limits.linger))

    @property
    def users(self) -> int:
        return len(self._groups)

    def add(self, events: Iterable[Event], now: float) -> None:
        """Appends the newest events. Those of one user must come in the order they were pushed."""
        by_user: dict[str, list[Event]] = {}
        for event in events:
            by_user.setdefault(event.user, []).append(event)
        for user, newer in by_user.items():
            self._add(user, newer, now)
        self._arrivals.add(self._newest, now)

    def _add(self, user: str, newer: list[Event], now: float) -> None:
        self._newest = max(self._newest, newer[-1].number)
        group = self._groups.get(user)
        if group is None:
            group = self._groups[user] = Group()
        state = group.state
        if group.spilled or state is _REFILLING or (state is not _READY and self._large(group)):
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
        """The size for its turn, in events. A group that fills one POST is as large as can be.

        Where the API takes less from this user than from the others, the size is what one POST takes. Otherwise a user
        whose every event is answered 413 would have nine turns of ten, for one event each.
        """
        if self._takes_less(group):
            return max(1, min(int(len(group.events) * group.most) // max(1, group.bytes), len(group.events)))
        return self._max_events_per_post if self._fills_a_post(group) else len(group.events)

    def _takes_less(self, group: Group) -> bool:
        """Whether the API has refused this user bodies that it takes from others."""
        return group.most < self._body_limit.of_all

    def _fills_a_post(self, group: Group) -> bool:
        """Whether it has enough events or bytes for one POST, or newer events are spilled.

        In the latter case it cannot grow, and what it was refilled with is what one POST takes.
        """
        enough = group.bytes >= min(group.most, self._body_limit.of_all)
        return bool(group.spilled) or enough or len(group.events) >= self._max_events_per_post

    def _hold(self, group: Group, events: Sequence[Event]) -> None:
        group.events.extend(events)
        group.bytes += self.space.hold(events)

    def _spill(self, group: Group, events: Sequence[Event], *, older: bool = False) -> None:
        if group.spilled is None:
            group.spilled = ClaimIds()
        user = mention(events[0].user) if events else 0
        add = group.spilled.prepend if older else group.spilled.extend
        add(
            [event.number for event in events],
            [event.stamp for event in events],
            [len(event.body) + user for event in events],
        )
        self.space.spilled += len(events)

    def _large(self, group: Group) -> bool:
        """Whether a user in flight, or who is backing off, holds more than its share of the room."""
        backing_off = group.state is _BACKING_OFF
        shares = max(_SHARE, _SHARE_OF_ALL * self.space.backing_off) if backing_off else _SHARE_IN_FLIGHT
        users = len(group.events) * mention(group.events[0].user) if group.events else 0
        return self._more_than_a_share(len(group.events), group.bytes + users, shares)

    def _more_than_a_share(self, events: int, size: int, shares: int) -> bool:
        return events * shares > self.space.most.events or size * shares > self.space.most.bytes

    def back_off(self, batch: Batch) -> None:
        """This batch, in flight, will be retried: what its user holds in memory beyond its share makes room.

        What collects behind it is spilled; if it is very much, :meth:`spill` goes on with it. The batch itself is
        released if it is more than a share of what all users who back off may hold; call :meth:`recalled` when its
        bytes are here again.
        """
        group = self._groups[batch.user]
        self.space.backing_off += group.state is not _BACKING_OFF
        group.state = _BACKING_OFF
        self.spill(batch.user)
        here = [part for part in (batch, *batch.behind) if not part.released]
        events, size = sum(len(part.events) for part in here), sum(size_of(part.events) for part in here)
        if self._more_than_a_share(events, size, _SHARE_OF_ALL * self.space.backing_off):
            for part in here:
                self._release(part)

    def spill(self, user: str) -> bool:
        """Spills newest events of a user who is not ready and holds too much. Returns whether there are more."""
        group = self._groups[user]
        if not self._large(group):
            return False
        newest = [group.events.pop() for _ in range(min(_SPILLED_AT_ONCE, len(group.events)))][::-1]
        self._spill(group, newest, older=True)
        group.bytes -= self.space.free(newest)
        return self._large(group)

    def _release(self, batch: Batch) -> None:
        self.free(batch.events)
        self.space.bytes += mention(batch.user)  # the batch keeps the user's ID, once for all of its events
        self.space.spilled += len(batch.events)
        batch.release(size_of(batch.events))

    def recalled(self, batch: Batch) -> None:
        """The bytes of a released batch are here again."""
        self.space.spilled -= len(batch.events)
        self.space.bytes -= mention(batch.user)
        self.space.hold(batch.events)

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
        patience = self._patience(deep=deep, size_first=size_first)
        first, second = (largest, oldest) if size_first and deep else (oldest, largest)
        due = self._due(first, patience)
        if due <= now or first == second:
            return first, due
        return min((first, due), (second, self._due(second, patience)), key=lambda turn: turn[1])

    def _patience(self, *, deep: bool, size_first: bool) -> float:
        """Seconds that a group which is not full waits for more events: the table above."""
        if deep and self.space.nearly_full:
            return 0.0
        return self._patience_by_size if deep and size_first and self.space.is_filled_by_claims else self._linger

    def _is_full(self, user: str) -> bool:
        return self._fills_a_post(self._groups[user])

    def _due(self, user: str, patience: float) -> float:
        since = self._groups[user].since
        return since if self._is_full(user) else since + patience

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
        group.most = self._body_limit.most(user, now)
        batch = Batch(user, group.take(self._max_events_per_post, group.most))
        if group.events:
            group.since = self._arrivals.of(group.events[0].number)
        self.spill(user)  # it may have collected more than its share while it waited for its turn
        return batch

    def free(self, events: Sequence[Event]) -> None:
        """These events, all of one user, are decided, or only their IDs stay: their room is free again."""
        self.space.free(events)

    def finish(self, user: str) -> None:
        """The user's batch is no longer in flight. Events that have collected meanwhile are ready at once.

        If the user has only spilled events, it is not ready until :meth:`refill`.
        """
        group = self._groups[user]
        self.space.backing_off -= group.state is _BACKING_OFF
        self._go_on(user, group)

    def wanted(self, user: str, now: float) -> Room | None:
        """What the user's next POST takes of its spilled events; None if the user needs no refill."""
        group = self._groups.get(user)
        if group is None or group.state is not _REFILLING or not group.spilled:
            return None
        # A size includes the user's ID, so this also leaves room for the commas.
        most = self._body_limit.most(user, now) - BATCH_OVERHEAD
        return Room(*group.spilled.first(self._max_events_per_post, most))

    def unspill(self, user: str, room: Room) -> list[ClaimId]:
        """The IDs of the user's oldest spilled events, as many as there is room for: pass them to :meth:`refill`."""
        spilled = self._groups[user].spilled
        ids = spilled.take(*room) if spilled else []
        self.space.spilled -= len(ids)
        return ids

    def refill(self, user: str, events: Sequence[Event]) -> None:
        """The bytes of events that were unspilled are here, in their order."""
        group = self._groups[user]
        self._hold(group, events)
        if events:
            group.since = self._arrivals.of(events[0].number)
        self._go_on(user, group)

    def _go_on(self, user: str, group: Group) -> None:
        if group.events:
            group.state = _READY
            # Where each event may need a POST of its own, what is left is behind everybody who is here now.
            oldest = self._newest if self._takes_less(group) else group.events[0].number
            self._turns.enter(user, self._size(group), oldest)
        elif group.spilled:
            group.state = _REFILLING
        else:
            del self._groups[user]
