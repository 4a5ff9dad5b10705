"""Finding a rate that the API does not tell, on a virtual clock."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from forwarder.api.pacing.permits import Signal
from forwarder.api.pacing.rate import Rate
from tests.support.virtual.crowd import Crowd, pacer

pytestmark = pytest.mark.virtual_time


class Hidden:
    """Accepts so many POSTs in each second of the clock, and pushes the others back without a Retry-After."""

    def __init__(self, rate: Callable[[float], int], offset: float = 0.0) -> None:
        self.rate = rate
        self.offset = offset
        self.accepted: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()

    def says(self, _user: str, started: float) -> tuple[Signal, None]:
        second = int(started + self.offset)
        if self.accepted[second] < self.rate(started):
            self.accepted[second] += 1
            return Signal.GOOD, None
        self.refused[second] += 1
        return Signal.PUSHBACK, None

    def between(self, start: int, end: int) -> tuple[float, float]:
        """Accepted a second, and which part was refused."""
        accepted = sum(self.accepted[second] for second in range(start, end))
        refused = sum(self.refused[second] for second in range(start, end))
        return accepted / (end - start), refused / (accepted + refused)


def push_back_often(rate: Rate, now: float, started: float) -> None:
    for _ in range(10):
        rate.pushed_back(now, started)


#: In seconds: how far the API's seconds are from those of the test.
OFFSETS = [0.37, *(pytest.param(each, marks=pytest.mark.long) for each in (0.0, 0.13, 0.63, 0.85))]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("latency", [0.02, 0.1, 0.4])
@pytest.mark.parametrize(
    ("ceiling", "rate"),
    [
        (120, 60),
        (120, 100),
        (120, 33),
        pytest.param(1000, 400, marks=pytest.mark.long),
        (0, 60),
        pytest.param(0, 300, marks=pytest.mark.long),
    ],
)
async def test_a_hidden_rate_is_found_and_used(ceiling: float, rate: int, latency: float, offset: float) -> None:
    hidden = Hidden(lambda _: rate, offset=offset)
    crowd = Crowd(pacer(concurrency=512, rate=ceiling), latency=latency, says=hidden.says)
    await crowd.run(users=512, seconds=60)
    reached, refused = hidden.between(15, 59)
    print(f"{reached / rate:.3f} of the rate, {refused:.4f} refused")
    assert reached >= 0.95 * rate
    assert refused < 0.02


@pytest.mark.parametrize("ceiling", [120, 0])
async def test_a_rate_that_doubles_is_found_within_seconds(ceiling: float) -> None:
    hidden = Hidden(lambda started: 50 if started < 60 else 100)
    crowd = Crowd(pacer(concurrency=512, rate=ceiling), says=hidden.says)
    await crowd.run(users=512, seconds=120)
    first = next(second for second in range(60, 120) if hidden.accepted[second] >= 95)
    print(f"after {first - 60} s")
    assert first - 60 <= 10
    assert hidden.between(75, 119)[0] >= 95
    assert hidden.between(15, 119)[1] < 0.02


async def test_a_rate_that_halves_costs_few_refusals() -> None:
    hidden = Hidden(lambda started: 100 if started < 60 else 50)
    crowd = Crowd(pacer(concurrency=512, rate=120), says=hidden.says)
    await crowd.run(users=512, seconds=120)
    assert hidden.between(60, 119)[1] < 0.08
    assert hidden.between(65, 119)[0] >= 46


async def test_pushback_leaves_how_many_at_once_alone() -> None:
    hidden = Hidden(lambda _: 60)
    crowd = Crowd(pacer(concurrency=64, rate=120), latency=0.7, says=hidden.says)
    await crowd.run(users=128, seconds=60)
    assert crowd.pacer.limit == 64


async def test_after_a_minute_of_nothing_but_pushback_the_rate_is_back_within_seconds() -> None:
    hidden = Hidden(lambda started: 0 if 10 < started < 70 else 100)
    crowd = Crowd(pacer(concurrency=512, rate=120), says=hidden.says)
    await crowd.run(users=512, seconds=200)
    back = min(second for second in hidden.accepted if second > 70)
    print(f"{hidden.accepted[back + 10]} POSTs/s ten seconds after the first answer")
    assert hidden.between(back + 10, 199)[0] >= 95
    assert sum(hidden.refused[second] for second in range(12, 70)) < 300, "probed gently"


@pytest.mark.parametrize(("ceiling", "least"), [(120, 100), pytest.param(0, 250, marks=pytest.mark.long)])
async def test_refusals_by_chance_hardly_lower_the_rate(ceiling: float, least: float) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    crowd = Crowd(
        pacer(concurrency=32, rate=ceiling),
        says=lambda *_: (Signal.PUSHBACK if chance.random() < 0.005 else Signal.GOOD, None),
    )
    await crowd.run(users=64, seconds=150)
    late = [good for good in crowd.good if good > 60]
    print(f"{len(late) / 90:.0f} POSTs/s")
    assert len(late) / 90 > least


def test_without_a_ceiling_the_limit_goes_again() -> None:
    rate = Rate(0.0, now=0.0)
    for n in range(50):
        rate.accepted(n / 50)
    push_back_often(rate, 1.0, 0.9)
    assert 20 < rate.value <= 50
    now = 1.0
    while rate.value and now < 100:
        now += 0.1
        rate.accepted(now)
    assert rate.value == 0.0


def test_refusals_of_the_same_second_are_no_news() -> None:
    rate = Rate(120.0, now=0.0)
    for n in range(60):
        rate.accepted(n / 120)
    push_back_often(rate, 0.55, 0.5)
    lowered = rate.value
    push_back_often(rate, 0.9, 0.8)
    push_back_often(rate, 1.7, 0.54)
    assert rate.value == lowered
    push_back_often(rate, 1.7, 1.6)
    assert rate.value < lowered


@pytest.mark.parametrize("ceiling", [0.0, 0.5, 1.0, 120.0])
def test_a_rate_is_never_raised_by_pushback_nor_zero(ceiling: float) -> None:
    rate = Rate(ceiling, now=0.0)
    before = float("inf")
    for second in range(1, 30):
        rate.pushed_back(2.0 * second, 2.0 * second - 0.1)
        assert 0 < rate.value <= before
        assert rate.value <= (ceiling or 1.0)
        before = rate.value


def test_a_part_of_the_fleets_rate_is_the_ceiling() -> None:
    rate = Rate(120.0, now=0.0)
    rate.bound(30.0)
    assert rate.value == 30
    rate.bound(60.0)
    for n in range(200):
        rate.accepted(n / 100)
    assert rate.value == 60


def test_changes_of_the_part_leave_no_rounding_behind() -> None:
    rate = Rate(120.0, now=0.0)
    for n in range(1, 200):
        rate.bound(0.3 * n)
        assert rate.value == 0.3 * n
        rate.accepted(n / 10)


def test_a_rate_that_was_found_grows_and_falls_with_the_part() -> None:
    rate = Rate(120.0, now=0.0)
    for n in range(60):
        rate.accepted(n / 60)
    push_back_often(rate, 1.0, 0.5)
    found = rate.value
    assert 0 < found < 120
    rate.bound(60.0)
    assert rate.value == pytest.approx(found / 2)
    rate.bound(0.0)
    assert rate.value == pytest.approx(found / 2), "nothing is sent, and nothing is forgotten"
