"""Backlogs: whose events wait, in which order."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from tests.rig import PURCHASES


def zipf(events: int, users: int, seed: int) -> list[str]:
    """The n-th most active of so many users has 1/n of the first one's events, in random order."""
    weights = list(accumulate(1 / rank for rank in range(1, users + 1)))
    return [f"u{rank}" for rank in random.Random(seed).choices(range(users), cum_weights=weights, k=events)]


def uniform(events: int, users: int, seed: int) -> list[str]:
    """Every user is as active as every other."""
    dice = random.Random(seed)
    return [f"u{dice.randrange(users)}" for _ in range(events)]


def hot(events: int, users: int, seed: int) -> list[str]:
    """One user has every other event."""
    dice = random.Random(seed)
    return ["hot" if number % 2 else f"u{dice.randrange(users)}" for number in range(events)]


def shop() -> list[str]:
    """The customers of all real purchases, in time order."""
    with PURCHASES.open("rb") as packed, gzip.open(packed) as lines:
        return [str(json.loads(line)["user_id"]) for line in lines]


def optimum(users: Sequence[str], per_post: int) -> int:
    """The fewest POSTs that can carry a backlog."""
    return sum(-(-count // per_post) for count in Counter(users).values())
