from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forwarder.pipeline.buffer.turns import Turns

MOST = 5


class TurnsAgainstModel(RuleBasedStateMachine):
    """The model: the size and the oldest event of each ready user."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns(MOST)
        self.ready: dict[str, tuple[int, int]] = {}
        self.number = 0

    @rule(size=st.integers(1, 8), back=st.integers(0, 20))
    def enter(self, size: int, back: int) -> None:
        # Numbers are distinct, but not in the order of entering: a user comes back with an old event.
        self.number += 1
        user = f"u{self.number}" if len(self.ready) > 6 or not back else f"u{back}"
        if user not in self.ready:
            self.ready[user] = (size, (self.number - back) * 1_000 + self.number)
            self.turns.enter(user, *self.ready[user])

    @precondition(lambda self: self.ready)
    @rule(data=st.data(), more=st.integers(1, 3))
    def grow(self, data: st.DataObject, more: int) -> None:
        user = data.draw(st.sampled_from(sorted(self.ready)))
        size, oldest = self.ready[user]
        self.ready[user] = (size + more, oldest)
        self.turns.grow(user, size + more)

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        user = data.draw(st.sampled_from(sorted(self.ready)))
        del self.ready[user]
        self.turns.leave(user)

    @invariant()
    def knows_the_largest_and_the_oldest(self) -> None:
        largest, oldest = self.turns.largest(), self.turns.oldest()
        if not self.ready:
            assert largest is oldest is None
            return
        assert largest is not None
        assert min(self.ready[largest][0], MOST) == min(max(size for size, _ in self.ready.values()), MOST)
        assert oldest == min(self.ready, key=lambda user: self.ready[user][1])

    @invariant()
    def remembers_only_who_is_ready(self) -> None:
        assert sum(map(len, self.turns._levels)) == len(self.turns._sizes) == len(self.ready)


TestTurnsAgainstModel = TurnsAgainstModel.TestCase


def test_many_users_that_come_and_go_leave_nothing_behind() -> None:
    turns = Turns(MOST)
    for number in range(10_000):
        turns.enter(f"u{number}", 1, number)
        turns.leave(f"u{number}")
    assert len(turns._heap) <= MOST + 1
    assert turns.oldest() is None


def test_equals_take_turns_in_the_order_in_which_they_became_equal() -> None:
    turns = Turns(MOST)
    for number, user in enumerate("abc"):
        turns.enter(user, 1, number)
    for user in "ca":
        turns.grow(user, 2)
    found = []
    while (largest := turns.largest()) is not None:
        found.append(largest)
        turns.leave(largest)
    assert found == ["c", "a", "b"]
