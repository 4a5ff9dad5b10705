"""Few POSTs, and nobody starves. Exact, not timed.

`python -m tests.programs.bench.scheduling` prints the whole table.
"""

import pytest

from tests.programs.bench.scheduling import (
    BUSY,
    FIRST_COME,
    MIXED,
    OURS,
    STEADY,
    Pace,
    Policy,
    optimum,
    simulate,
    steady,
)
from tests.programs.bench.work import shop, zipf


def ratio(users: list[str], *, buffer: int, policy: Policy = OURS, pace: Pace | None = None) -> float:
    return simulate(users, buffer=buffer, policy=policy, pace=pace or Pace()).posts / optimum(users)


@pytest.mark.parametrize(
    ("size", "buffer", "most"),
    [
        (100_000, 33_000, 1.15),
        pytest.param(300_000, 100_000, 1.10, marks=pytest.mark.long),
        pytest.param(300_000, 50_000, 1.7, marks=pytest.mark.long),
    ],
)
def test_a_backlog_of_unequal_users_costs_few_posts(size: int, buffer: int, most: float) -> None:
    assert 1.0 <= ratio(zipf(size, users=size // 30).users, buffer=buffer) <= most


@pytest.mark.parametrize(("buffer", "most"), [(100_000, 1.0), (10_000, 2.1)])
def test_the_shops_purchases_cost_few_posts(buffer: int, most: float) -> None:
    assert 1.0 <= ratio(shop(69_659).users, buffer=buffer) <= most


@pytest.mark.long
def test_first_come_first_served_costs_many_more() -> None:
    """The simulation can tell a good order from a bad one."""
    users = zipf(300_000).users
    assert ratio(users, buffer=100_000, policy=FIRST_COME) > 1.5


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_steady_inflow_waits_hardly_longer_than_first_come_first_served() -> None:
    users = steady()
    ours, first_come = (
        simulate(users, buffer=100_000, policy=policy, pace=STEADY).longest_wait for policy in (OURS, FIRST_COME)
    )
    assert ours <= 1.5 * first_come


def test_a_process_that_could_send_sooner_than_it_claims_fills_its_buffer_first() -> None:
    """A third of the full size."""
    users = zipf(100_000, users=3_300).users
    assert ratio(users, buffer=33_000, pace=BUSY) <= 1.15
    assert ratio(users, buffer=33_000, pace=BUSY, policy=MIXED) > 1.5, "the simulation can tell"


@pytest.mark.long
@pytest.mark.parametrize("claims", [40_000, 80_000])
@pytest.mark.parametrize("posts", [1_000, 4_000])
def test_a_busy_process_sends_a_backlog_in_few_posts(posts: float, claims: float) -> None:
    pace = Pace(posts=posts, claims=claims, latency=0.01)
    assert ratio(zipf(300_000).users, buffer=100_000, pace=pace) <= 1.10


def test_a_user_who_is_always_the_largest_does_not_starve_the_others() -> None:
    """A hundred users push more than may be sent, so the list stays deep; a lone event of another comes in between."""
    users = [f"u{n % 100}" for n in range(200_000)]
    users[20_000] = "small"
    assert simulate(users, buffer=10_000, policy=OURS).longest_wait < 60
