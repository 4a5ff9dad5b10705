"""The sliding window: never more than the rate plus one in a second, and hardly less when more is wanted."""

import random
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.api.pacing.window import Window
from tests.support.virtual.crowd import Crowd, most_in_a_second, pacer


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0] * 20 + [0.3, 1.2]), st.sampled_from([0.0] * 10 + [0.1, 0.2])),
        max_size=150,
    ),
    st.lists(st.sampled_from([0.3, 1.0, 7.5, 40.0]), min_size=10, max_size=10),
)
def test_no_second_sees_more_than_the_largest_rate_in_it_plus_one(
    posts: list[tuple[float, float]], rates: list[float]
) -> None:
    """POSTs are wanted after pauses, some start late, and the rate changes now and then."""
    window, now, starts = Window(), 0.0, list[tuple[float, float]]()
    for number, (pause, late) in enumerate(posts):
        rate = rates[number // 15]
        now = max(now + pause, window.opens(rate) + late)
        window.started(now, rate)
        starts.append((now, rate))
    for first, _ in starts:
        within = [rate for start, rate in starts if first <= start < first + 1.0 - 1e-9]
        assert len(within) <= int(max(within)) + 1


def steady() -> Iterator[float]:
    """Wanted all the time."""
    return (0.0 for _ in count())


def bunches() -> Iterator[float]:
    """Twelve at once every tenth of a second."""
    return (n // 12 / 10 for n in count())


def random_arrivals() -> Iterator[float]:
    """At random, a little more often than the rate."""
    dice, now = random.Random(1), 0.0
    while True:
        yield (now := now + dice.expovariate(125.0))


def waves() -> Iterator[float]:
    """A backlog of a second's POSTs each second."""
    return (float(n // 120) for n in count())


@pytest.mark.parametrize("late", [0.0, 0.004, 0.02])
@pytest.mark.parametrize("load", [steady, bunches, random_arrivals, waves])
def test_99_percent_of_the_rate_is_used(load: Callable[[], Iterator[float]], late: float) -> None:
    """`late`: the event loop looks at the time only this often, in seconds."""
    window, starts, now = Window(), list[float](), 0.0
    for wanted in load():
        while (opens := max(wanted, window.opens(120.0))) > now:
            now = max(opens, now + late)
        if now > 20.0:
            break
        window.started(now, 120.0)
        starts.append(now)
    print(f"{len(starts) / 20:.1f} POSTs/s, at most {most_in_a_second(starts)} in a second")
    assert len(starts) >= 0.99 * 120 * 20
    assert most_in_a_second(starts) <= 121


@pytest.mark.virtual_time
async def test_a_few_places_in_flight_are_enough_for_the_rate() -> None:
    """13 places allow 130 POSTs/s if an answer takes 0.1 s, and the answers come in bunches."""
    crowd = Crowd(pacer(concurrency=13, rate=120), latency=0.1)
    await crowd.run(users=32, seconds=10)
    assert len(crowd.starts) >= 0.99 * 120 * 10
    assert crowd.most_in_a_second() <= 121


def test_a_lower_rate_counts_at_once_and_a_higher_one_too() -> None:
    window = Window()
    for _ in range(40):
        window.started(window.opens(40.0) if window.opens(40.0) > 0 else 0.0, 40.0)
    assert window.opens(40.0) == pytest.approx(1.0)
    assert window.opens(10.0) == pytest.approx(1.0 + 0.725), "eleven of the last second are still too many"
    assert window.opens(0.5) == pytest.approx(0.975 + 2.0)
    window.started(window.opens(0.5), 0.5)
    assert window.opens(40.0) == pytest.approx(0.975 + 2.0 + 0.025), "the pause of the lower rate is over"
