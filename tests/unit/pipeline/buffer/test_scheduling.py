"""Few POSTs, and nobody starves. Exact, not timed.

`python -m tests.programs.bench.scheduling` prints the whole table.
"""

import pytest

from tests.programs.bench.scheduling import INFLOW, POLICIES, optimum, simulate, steady
from tests.programs.bench.work import shop, zipf

FIRST_COME, _, OURS = POLICIES.values()


def ratio(users: list[str], *, buffer: int, oldest_every: int = OURS) -> float:
    return simulate(users, buffer=buffer, oldest_every=oldest_every).posts / optimum(users)


@pytest.mark.parametrize(("buffer", "most"), [(100_000, 1.10), pytest.param(50_000, 1.7, marks=pytest.mark.long)])
def test_a_backlog_of_unequal_users_costs_few_posts(buffer: int, most: float) -> None:
    assert 1.0 <= ratio(zipf(300_000).users, buffer=buffer) <= most


@pytest.mark.parametrize(("buffer", "most"), [(100_000, 1.0), (10_000, 2.1)])
def test_the_shops_purchases_cost_few_posts(buffer: int, most: float) -> None:
    assert 1.0 <= ratio(shop(69_659).users, buffer=buffer) <= most


@pytest.mark.long
def test_first_come_first_served_costs_many_more() -> None:
    """The simulation can tell a good order from a bad one."""
    users = zipf(300_000).users
    assert ratio(users, buffer=100_000, oldest_every=FIRST_COME) > 1.5


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_steady_inflow_waits_hardly_longer_than_first_come_first_served() -> None:
    users = steady()
    ours, first_come = (
        simulate(users, buffer=100_000, oldest_every=every, inflow=INFLOW).longest_wait for every in (OURS, FIRST_COME)
    )
    assert ours <= 1.5 * first_come


def test_a_user_who_is_always_the_largest_does_not_starve_the_others() -> None:
    """A hundred users push more than may be sent, so the list stays deep; a lone event of another comes in between."""
    users = [f"u{n % 100}" for n in range(200_000)]
    users[20_000] = "small"
    assert simulate(users, buffer=10_000, oldest_every=OURS).longest_wait < 60
