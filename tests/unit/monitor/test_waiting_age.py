"""The age of the oldest waiting event, from nothing but counts."""

import random

from forwarder.monitor.waiting_age import WaitingAge


def test_nothing_waits_nothing_is_old() -> None:
    assert WaitingAge().observe(taken=0, waiting=0, now=5.0) == 0
    arrivals = WaitingAge()
    arrivals.observe(0, 3, now=1.0)
    assert arrivals.observe(3, 0, now=9.0) == 0


def test_the_age_is_that_of_the_head_not_of_the_list() -> None:
    arrivals = WaitingAge()
    assert arrivals.observe(0, 10, now=100.0) == 0
    assert arrivals.observe(0, 25, now=160.0) == 60, "the first ten still stand in front"
    assert arrivals.observe(10, 15, now=170.0) == 10, "they are gone, the next came at 160"
    assert arrivals.observe(25, 1, now=180.0) == 0


def test_a_list_that_stands_still_grows_old() -> None:
    arrivals = WaitingAge()
    arrivals.observe(7, 1, now=0.0)
    assert arrivals.observe(7, 1, now=86_400.0) == 86_400


def test_after_a_rollback_it_starts_anew() -> None:
    arrivals = WaitingAge()
    arrivals.observe(50, 50, now=0.0)
    assert arrivals.observe(0, 20, now=30.0) == 0
    assert arrivals.observe(0, 20, now=31.0) == 1


def test_against_the_true_ages_of_random_lists_with_little_memory() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    arrivals, pushed_at, taken, most = WaitingAge(), [0.0], 0, 0
    for second in range(20_000):
        # As an outage has it: a long while nothing is taken, then faster than is pushed.
        pushed_at.extend([float(second)] * chance.choice((0, 0, 1, 3)))
        if second > 9_000:
            taken = min(len(pushed_at), taken + chance.randrange(6))
        waiting = len(pushed_at) - taken
        told = arrivals.observe(taken, waiting, float(second))
        true = second - pushed_at[taken] if waiting else 0.0
        most = max(most, len(arrivals._seen))
        assert true * 0.95 - 1 <= told <= true, (second, told, true)
    assert most <= 512


def test_a_month_of_growth_takes_little_memory() -> None:
    arrivals, seconds = WaitingAge(), 30 * 86_400
    pushed = seconds // 600
    for number in range(pushed):
        arrivals.observe(0, number + 1, 600.0 * number)
    assert len(arrivals._seen) <= 512
    told = arrivals.observe(pushed // 2, pushed // 2, float(seconds))
    assert seconds / 2 * 0.95 <= told <= seconds / 2
