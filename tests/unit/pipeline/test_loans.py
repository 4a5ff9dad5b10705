import random
import sys

from hypothesis import given
from hypothesis import strategies as st

from forwarder.pipeline.loans import Loans

#: 2016-09-11 in microseconds.
NOW = 1_473_552_000_000_000


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 400_000)), min_size=1, max_size=30),
    st.integers(0, 2**32),
    st.integers(1, 10),
)
def test_the_oldest_stamp_is_that_of_the_oldest_unsettled_claim_or_a_quarter_of_a_second_older(
    claims: list[tuple[int, int]], seed: int, page: int
) -> None:
    numbers: list[int] = []
    stamps: list[int] = []
    left: dict[int, int] = {}
    loans, now, chance = Loans(), NOW, random.Random(seed)
    for events, later in claims:
        now += later + 1
        numbers += range(len(numbers) + 1, len(numbers) + events + 1)
        stamps += [now] * events
    for start in range(0, len(numbers), page):
        loans.add(numbers[start : start + page], stamps[start : start + page])
        left |= dict(zip(numbers[start : start + page], stamps[start : start + page], strict=True))
        while left and chance.random() < 0.5:
            number = chance.choice(sorted(left))
            del left[number]
            loans.end(number, 1)
        if left:
            assert min(left.values()) - 250_000 < (loans.oldest_stamp or 0) <= min(left.values())
        else:
            assert loans.oldest_stamp is None


def test_many_claims_of_one_event_each_are_little_memory() -> None:
    def memory() -> int:
        return sum(sys.getsizeof(each) for each in (loans._firsts, loans._stamps, loans._left))

    loans = Loans()
    loans.add(range(50_000), range(NOW, NOW + 50_000 * 100, 100))
    assert memory() < 2_000, "a claim each 0.1 ms"
    loans.add(range(50_000, 100_000), range(NOW, NOW + 50_000 * 1_000_000, 1_000_000))
    assert memory() < 50_000 * 27, "a claim each second"
    for number in range(100_000):
        loans.end(number, 1)
    assert loans.oldest_stamp is None
    assert memory() < 250_000, "what is settled leaves memory"
