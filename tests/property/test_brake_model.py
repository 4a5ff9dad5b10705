from hypothesis import given
from hypothesis import strategies as st

from forwarder.pipeline.brake import Brake


class NaiveBrake:
    """Remembers everything that was ever decided and counts it anew each time."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.decided: list[bool] = []
        self.allowed = 0

    def accepted(self, events: int) -> None:
        self.decided += [False] * events

    def refused(self) -> bool:
        if self.allowed > 0:
            self.allowed -= 1
            return False
        if self.window == 0:
            return False
        if sum([*self.decided, True][-self.window :]) * 100 >= self.window * 80:
            return True
        self.decided.append(True)
        return False

    def allow(self, refusals: int) -> None:
        self.allowed += refusals

    def forget(self) -> None:
        self.decided = []


#: What happens: a run of refusals mostly, else so many accepted, so many allowed, or a person that looked.
STEPS = st.one_of(
    st.tuples(st.just("refused"), st.integers(1, 30)),
    st.tuples(st.just("refused"), st.integers(1, 30)),
    st.tuples(st.just("accepted"), st.integers(0, 150)),
    st.tuples(st.just("allow"), st.integers(0, 20)),
    st.tuples(st.just("forget"), st.just(0)),
)


@given(window=st.sampled_from([0, 1, 5, 10, 20, 100]), steps=st.lists(STEPS, max_size=60))
def test_the_brake_decides_as_one_that_remembers_everything(window: int, steps: list[tuple[str, int]]) -> None:
    brake, naive = Brake(window), NaiveBrake(window)
    for what, count in steps:
        if what == "refused":
            assert [brake.refused() for _ in range(count)] == [naive.refused() for _ in range(count)]
        elif what == "accepted":
            brake.accepted(count)
            naive.accepted(count)
        elif what == "allow":
            brake.allow(count)
            naive.allow(count)
        else:
            brake.forget()
            naive.forget()
