"""How soon the longest body is found, and who it holds for."""

import random
from collections import Counter

import pytest

from forwarder.api.body_limit import BodyLimit

MOST = 500_000
HOUR = 3600.0


class Api:
    """Takes bodies up to `limit` bytes. Each user always has more events than fit into a POST."""

    def __init__(self, limit: int, event: tuple[int, int]) -> None:
        self.limit = limit
        self.body_limit = BodyLimit(MOST)
        self._event = event
        self._chance = random.Random(seed := random.randrange(2**32))
        self.refused: Counter[str] = Counter()
        self.bytes = self.accepted = 0
        print(f"seed {seed}")

    def post(self, user: str, now: float = 0.0) -> None:
        most, size, events = self.body_limit.most(user, now), 13, 0
        while not events or size + self._event[1] + 1 <= most:
            size += self._chance.randint(*self._event) + 1
            events += 1
        if size > self.limit:
            self.refused[user] += 1
            self.body_limit.refused(user, size, now)
        else:
            self.bytes += size
            self.accepted += 1
            self.body_limit.accepted(user, size)

    @property
    def filled(self) -> float:
        """How full accepted bodies were on average."""
        return self.bytes / self.accepted / self.limit


@pytest.mark.parametrize("users", [1, 20])
@pytest.mark.parametrize("limit", [499_000, 300_000, 260_000, 60_000])
def test_the_limit_is_found_at_the_cost_of_a_few_refusals_and_used(limit: int, users: int) -> None:
    api = Api(limit, event=(1_000, 5_000))
    for number in range(400):
        api.post(f"u{number % users}")
    print(f"{api.refused.total()} refused, {api.filled:.3f} full")
    assert api.refused.total() <= (8 if users == 1 else 30)
    assert api.filled > 0.8


def test_where_nothing_is_refused_nothing_is_learnt() -> None:
    api = Api(MOST, event=(1_000, 5_000))
    for number in range(100):
        api.post(f"u{number}")
    assert (api.body_limit.most("u1", 0.0), api.body_limit.of_all, api.body_limit.learning) == (MOST, MOST, False)


def test_two_users_whose_bodies_are_refused_shorten_nobody_elses() -> None:
    learnt = BodyLimit(MOST)
    for size in range(1_000, 100, -10):
        learnt.refused("a", size, 0.0)
        learnt.refused("b", size, 0.0)
    assert learnt.most("a", 0.0) < 110
    assert (learnt.most("c", 0.0), learnt.of_all) == (MOST, MOST)
    learnt.refused("c", 400_000, 0.0)
    assert learnt.most("d", 0.0) == learnt.of_all == 200_000, "no more than three of them agree on"


def test_a_body_that_was_refused_is_not_exceeded_for_an_hour_and_then_by_little() -> None:
    api = Api(60_000, event=(1_000, 5_000))
    for number in range(200):
        api.post(f"u{number % 5}")
    known = api.refused.total()
    for number in range(200):
        api.post(f"u{number % 5}", 0.99 * HOUR)
    assert api.refused.total() == known
    for number in range(200):
        api.post(f"u{number % 5}", 1.01 * HOUR)
    assert 0 < api.refused.total() - known <= 40
    assert api.filled > 0.8


def test_a_limit_that_is_raised_is_found_again() -> None:
    api = Api(60_000, event=(1_000, 5_000))
    for hour in range(12):
        for number in range(50):
            api.post(f"u{number % 5}", hour * HOUR)
        api.limit = 400_000
    assert api.body_limit.most("u1", 12 * HOUR) > 350_000


def test_a_body_that_is_accepted_although_a_shorter_one_was_refused_ends_the_doubt() -> None:
    learnt = BodyLimit(MOST)
    for user in "abc":
        learnt.refused(user, 1_000, 0.0)
    learnt.accepted("a", 5_000)
    assert learnt.most("d", 0.0) == MOST
    assert learnt.most("a", 0.0) == MOST
    assert learnt.most("b", 0.0) == 500, "whose own bodies are another matter"


def test_memory_does_not_grow_with_users() -> None:
    learnt = BodyLimit(MOST)
    for number in range(500):
        learnt.refused(f"u{number}", 1_000, 0.0)
    assert len(learnt._users) == 100
