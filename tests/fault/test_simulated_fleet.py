"""A whole fleet with random faults, on a virtual clock. `python -m tests.programs.fleet` does the same for longer."""

import secrets

import pytest

from tests.support.fleet.life import live
from tests.support.fleet.world import Size
from tests.support.virtual.stepped import needs_gcc

SEED = secrets.token_hex(4)


@needs_gcc
@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 5])
def test_a_fleet_keeps_every_promise_whatever_happens(workers: int) -> None:
    print(f"seed {SEED}")
    report = live(f"{SEED}-{workers}", size=Size(workers, lists=6), hours=0.06, pause=20.0)
    assert not report.faults, "\n".join([*report.tail, *report.faults])
    assert report.causes
    assert report.posts


@needs_gcc
@pytest.mark.long
def test_the_same_seed_gives_the_same_history() -> None:
    print(f"seed {SEED}")
    first, second = (live(SEED, size=Size(3, lists=4), hours=0.03, pause=20.0) for _ in range(2))
    assert (first.digest, first.events, first.posts) == (second.digest, second.events, second.posts)
