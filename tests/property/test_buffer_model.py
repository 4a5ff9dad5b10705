from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forwarder.api.request import encode_batch
from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.buffer.group import TRANSITIONS, GroupState
from forwarder.pipeline.buffer.space import Limits

USERS = st.sampled_from(["a", "b", "c", "d"])


class BufferAgainstModel(RuleBasedStateMachine):
    """The model: a list of events per user, and which users are in flight."""

    @initialize(
        per_post=st.integers(1, 5), body_bytes=st.integers(14, 80), linger=st.floats(0, 20), fill_first=st.booleans()
    )
    def start(self, per_post: int, body_bytes: int, linger: float, *, fill_first: bool) -> None:
        self.per_post, self.body_bytes, self.linger = per_post, body_bytes, linger
        self.patience = max(10.0, linger) if fill_first else linger
        self.buffer = Buffer(Limits(20, 300, per_post, body_bytes, linger, fill_first=fill_first))
        self.taken = 0
        self.now = 0.0
        self.came: list[float] = []
        self.waiting: dict[str, list[Event]] = defaultdict(list)
        self.in_flight: dict[str, list[Event]] = {}
        self.backing_off: dict[str, Batch] = {}
        self.pushed: dict[str, list[int]] = defaultdict(list)
        self.came_out: dict[str, list[int]] = defaultdict(list)

    def _states(self) -> dict[str, GroupState]:
        return {user: group.state for user, group in self.buffer._groups.items()}

    @contextmanager
    def _as_in_the_table(self, call: str, user: str | None = None) -> Iterator[None]:
        """The call changes the state of one user at most, and only as the table says."""
        before = self._states()
        yield
        after = self._states()
        changed = {name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)}
        user = user or next(iter(changed), None)
        assert changed <= {user}
        if user is not None:
            assert after.get(user) in TRANSITIONS[before.get(user), call], (user, call)

    @rule(user=USERS, size=st.integers(2, 60), later=st.floats(0, 1), in_spite_of_room=st.booleans())
    def add(self, user: str, size: int, later: float, *, in_spite_of_room: bool) -> None:
        events, room = self.buffer.space.room
        if not in_spite_of_room and (events < 1 or room < size):
            return
        self.now += later
        self._push(user, size)

    def _push(self, user: str, size: int) -> None:
        event = Event(len(self.came), 0, user, b"x" * size)
        self.came.append(self.now)
        with self._as_in_the_table("add", user):
            self.buffer.add([event], self.now)
        self.waiting[user].append(event)
        self.pushed[user].append(event.number)

    @rule(deep=st.booleans())
    def take(self, *, deep: bool) -> None:
        with self._as_in_the_table("take"):
            batch = self.buffer.take(self.now, deep=deep)
        ready = {user for user, events in self.waiting.items() if events and user not in self.in_flight}
        assert (batch is not None) == bool(ready)
        if batch is not None:
            self.taken += 1
            assert batch.user in ready, "one batch per user in flight"
            self._check(batch)
            self.in_flight[batch.user] = list(batch.events)

    def _check(self, batch: Batch) -> None:
        body = encode_batch(event.body for event in batch.events)
        assert 1 <= len(batch.events) <= self.per_post
        assert len(body) <= self.body_bytes or len(batch.events) == 1
        mine = self.waiting[batch.user]
        assert list(batch.events) == mine[: len(batch.events)], "in the order of the user"
        del mine[: len(batch.events)]
        self.came_out[batch.user] += [event.number for event in batch.events]

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def back_off(self, data: st.DataObject) -> None:
        user = data.draw(st.sampled_from(sorted(self.in_flight)))
        self._recall(user)
        batch = self.backing_off[user] = Batch(user, tuple(self.in_flight[user]))
        with self._as_in_the_table("back_off", user):
            self.buffer.back_off(batch)
        assert [event.number for event in batch.events] == [event.number for event in self.in_flight[user]]

    def _recall(self, user: str) -> None:
        """As delivery does before each POST."""
        batch = self.backing_off.pop(user, None)
        if batch is not None and batch.released:
            batch.recall(self.in_flight[user])
            with self._as_in_the_table("recalled", user):
                self.buffer.recalled(batch)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def decide_some(self, data: st.DataObject) -> None:
        user = data.draw(st.sampled_from(sorted(self.in_flight)))
        count = data.draw(st.integers(0, len(self.in_flight[user])))
        self._recall(user)
        self.buffer.free(self.in_flight[user][:count])
        del self.in_flight[user][:count]

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), meanwhile=st.integers(0, 2))
    def finish(self, data: st.DataObject, meanwhile: int) -> None:
        user = data.draw(st.sampled_from(sorted(self.in_flight)))
        self._done(user, meanwhile)

    def _done(self, user: str, meanwhile: int = 0) -> None:
        """As delivery ends: what was spilled is read again before the user may be ready; newer events may come then."""
        self._recall(user)
        self.buffer.free(self.in_flight.pop(user))
        with self._as_in_the_table("finish", user):
            self.buffer.finish(user)
        while (need := self.buffer.wanted(user, self.now)) is not None:
            assert need.events <= self.per_post, "no more than the next POST takes"
            assert need.bytes <= self.body_bytes or need.events == 1
            ids = self.buffer.unspill(user, need)
            for _ in range(meanwhile):
                self._push(user, size=2)
            by_number = {event.number: event for event in self.waiting[user]}
            with self._as_in_the_table("refill", user):
                self.buffer.refill(user, [by_number[number] for number, _ in ids])

    @invariant()
    def counts_what_it_holds(self) -> None:
        held = [e for group in (*self.waiting.values(), *self.in_flight.values()) for e in group]
        space = self.buffer.space
        assert space.events + space.spilled == len(held)
        size = sum(len(event.body) + len(event.user) for event in held)
        assert space.bytes <= size
        assert space.bytes == size or space.spilled
        assert space.claimable == 20 * 20 - len(held)
        assert space.room == (max(0, 20 - space.events), max(0, 300 - space.bytes))

    @invariant()
    def a_group_waits_since_its_oldest_event_came(self) -> None:
        """What came long ago may count as if it had come later, but no later than patience allows."""
        remembered = max(10.0, self.linger)
        for group in self.buffer._groups.values():
            if group.state is GroupState.READY:
                came = self.came[group.events[0].number]
                assert group.since == came or came <= group.since <= self.now - remembered

    @invariant()
    def the_first_is_due_when_its_patience_ends(self) -> None:
        """A full group has none; how much the others have depends on the list, the buffer and the turn."""
        groups = [group for group in self.buffer._groups.values() if group.state is GroupState.READY]
        full = [group.since for group in groups if self.buffer._fills_a_post(group)]
        partial = [group.since for group in groups if not self.buffer._fills_a_post(group)]
        space = self.buffer.space
        room = 10 * space.events < 9 * 20 and 10 * space.bytes < 9 * 300 and not space.overdrawn
        filling = room and space.spilled <= space.events and (self.taken + 1) % 10 != 0
        for deep in (True, False):
            due = self.buffer.due(self.now, deep=deep)
            if due is None:
                continue
            patience = (self.patience if filling else self.linger if room else 0.0) if deep else self.linger
            earliest = min([*full, *(since + patience for since in partial)])
            assert (due <= self.now) == (earliest <= self.now), "somebody may go now, or nobody"
            assert due >= earliest

    @invariant()
    def something_is_due_exactly_while_somebody_is_ready(self) -> None:
        ready = any(events and user not in self.in_flight for user, events in self.waiting.items())
        for deep in (True, False):
            assert (self.buffer.due(self.now, deep=deep) is not None) == ready

    def teardown(self) -> None:
        if not hasattr(self, "buffer"):
            return
        while self.in_flight or any(self.waiting.values()):
            for user in list(self.in_flight):
                self._done(user)
            self.take(deep=True)
        assert self.came_out == self.pushed, "every event exactly once"
        assert (self.buffer.space.events, self.buffer.space.bytes, self.buffer.space.spilled) == (0, 0, 0)
        assert self.buffer.take(self.now, deep=False) is None


TestBufferAgainstModel = BufferAgainstModel.TestCase
