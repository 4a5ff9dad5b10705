import itertools

import pytest

from forwarder.api.body_limit import BodyLimit
from forwarder.api.request import BATCH_OVERHEAD, encode_batch
from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.buffer.space import Limits, Room

#: When nobody lingers any more.
LATER = 1_000.0


def event(user: str, number: int = 0, size: int = 10) -> Event:
    return Event(number, 0, user, b"x" * size)


def buffer(*, per_post: int = 100, body_bytes: int = 500_000, linger: float = 0.25, max_events: int = 10) -> Buffer:
    return Buffer(Limits(max_events, 1000, per_post, body_bytes, linger))


def filled(users: str, **limits: int) -> Buffer:
    """One event for each letter, a second apart, numbered from 0; the letter is the user."""
    held = buffer(**limits)
    for number, user in enumerate(users):
        held.add([event(user, number)], now=float(number))
    return held


def taken(held: Buffer) -> Batch:
    batch = held.take(LATER, deep=False)
    assert batch is not None
    return batch


def finish(held: Buffer, batch: Batch) -> None:
    held.free(batch.events)
    held.finish(batch.user)


def numbers(batch: Batch) -> list[int]:
    return [one.number for one in batch.events]


def test_a_batch_is_one_users_events_in_the_order_they_came() -> None:
    held = filled("abaab")
    first, second = taken(held), taken(held)
    assert (first.user, numbers(first)) == ("a", [0, 2, 3])
    assert (second.user, numbers(second)) == ("b", [1, 4])


def test_an_empty_buffer_has_nothing_to_take_and_nothing_due() -> None:
    held = buffer()
    assert held.take(LATER, deep=False) is None
    assert held.due(LATER, deep=False) is None


def test_a_user_in_flight_collects_and_is_not_taken_again_before_it_is_done() -> None:
    held = filled("a")
    batch = taken(held)
    held.add([event("a", 1)], now=1.0)
    assert held.take(LATER, deep=False) is None
    assert held.due(LATER, deep=False) is None
    finish(held, batch)
    assert numbers(taken(held)) == [1]


def test_what_a_user_in_flight_collects_beyond_a_quarter_of_the_room_is_spilled() -> None:
    held = filled("a", max_events=20)
    batch = taken(held)
    for number in range(1, 100):
        held.add([event("a", number)], now=0.0)
    assert (held.space.events, held.space.spilled) == (7, 93), "the batch, a quarter, and the one that exceeded it"
    finish(held, batch)
    batch = taken(held)
    assert numbers(batch) == list(range(1, 7))
    finish(held, batch)
    need = held.wanted("a", LATER)
    assert need is not None
    assert held.unspill("a", need) == [(number, 0) for number in range(7, 100)], "in their order"


def test_what_a_user_has_collected_beyond_a_quarter_of_the_room_is_spilled_when_its_turn_comes() -> None:
    held = filled("a" * 10, per_post=2)
    batch = taken(held)
    assert (held.space.events, held.space.spilled) == (2, 8)
    finish(held, batch)
    assert held.unspill("a", Room(2, 1000)) == [(2, 0), (3, 0)]


def test_a_user_who_needs_a_post_for_each_event_takes_its_turn_behind_the_others() -> None:
    limit = BodyLimit(500)
    held = Buffer(Limits(1_000, 100_000, 100, 500, 0.0), body_limit=limit)
    held.add([event("large", number) for number in range(100)], now=0.0)
    first = taken(held)
    limit.refused("large", 20, now=LATER)
    finish(held, first)
    second = taken(held)
    held.add([event(f"u{number}", 100 + number) for number in range(20)], now=1.0)
    finish(held, second)
    served = []
    for _ in range(20):
        batch = held.take(LATER, deep=True)
        assert batch is not None
        served.append(batch.user)
        finish(held, batch)
    assert served.count("large") == 0


def test_a_batch_holds_at_most_so_many_events() -> None:
    assert numbers(taken(filled("aaa", per_post=2))) == [0, 1]


def test_a_body_never_exceeds_its_bytes() -> None:
    for limit in range(BATCH_OVERHEAD + 20, BATCH_OVERHEAD + 60):
        body = encode_batch(one.body for one in taken(filled("aaaaa", body_bytes=limit)).events)
        assert limit - 12 < len(body) <= limit, "neither too long nor room for another event left"


def test_an_event_too_large_for_any_body_still_goes_and_goes_alone() -> None:
    held = buffer(body_bytes=50)
    for number, size in enumerate((10, 100, 10)):
        held.add([event("a", number, size)], now=0.0)
    sent = []
    while (batch := held.take(LATER, deep=False)) is not None:
        sent.append(numbers(batch))
        finish(held, batch)
    assert sent == [[0], [1], [2]]


def test_who_came_first_is_served_first() -> None:
    held = filled("cabca")
    assert [taken(held).user for _ in range(3)] == ["c", "a", "b"]


def test_users_of_the_same_moment_keep_their_order() -> None:
    held = buffer()
    for number, user in enumerate("zyxw"):
        held.add([event(user, number)], now=5.0)
    assert [taken(held).user for _ in range(4)] == ["z", "y", "x", "w"]


def test_what_collected_in_flight_queues_from_when_it_came_and_not_from_when_it_is_done() -> None:
    held = filled("a")
    batch = taken(held)
    held.add([event("b", 1)], now=1.0)
    held.add([event("a", 2)], now=2.0)
    held.add([event("c", 3)], now=3.0)
    finish(held, batch)
    assert [taken(held).user for _ in range(3)] == ["b", "a", "c"]


def test_the_rest_of_a_split_group_queues_from_its_own_oldest_event() -> None:
    held = filled("aba", per_post=1)
    finish(held, taken(held))
    assert taken(held).user == "b", "b has waited since 1, what is left of a only since 2"


def test_a_user_that_never_runs_empty_does_not_starve_the_others() -> None:
    held = buffer(per_post=1)
    held.add([event("busy", 0)], now=0.0)
    held.add([event("busy", 1)], now=1.0)
    held.add([event("quiet", 2)], now=2.0)
    served = []
    for now in range(3, 8):
        batch = taken(held)
        served.append(batch.user)
        held.add([event("busy", now)], now=float(now))
        finish(held, batch)
    assert "quiet" in served


def test_a_lone_event_lingers_for_companions() -> None:
    held = buffer(linger=0.25)
    held.add([event("a")], now=10.0)
    assert held.due(10.0, deep=False) == 10.25


def test_companions_do_not_prolong_the_linger() -> None:
    held = buffer(linger=0.25)
    held.add([event("a")], now=10.0)
    held.add([event("a")], now=10.2)
    assert held.due(10.0, deep=False) == 10.25


def crowd(events: int, *, size: int = 10, fill_first: bool = True, per_post: int = 100) -> Buffer:
    """One event for each of this many users, all pushed at 10 s, in a buffer for 100 events and 2,000 bytes."""
    held = Buffer(Limits(100, 2_000, per_post, 500_000, linger=0.25, fill_first=fill_first))
    held.add([event(f"u{number}", number, size) for number in range(events)], now=10.0)
    return held


def test_a_partial_group_waits_while_claims_fill_the_buffer() -> None:
    held = crowd(89)
    assert held.due(10.0, deep=True) == 20.0
    assert held.due(10.0, deep=False) == 10.25, "nothing waits in Redis: the list is short"


@pytest.mark.parametrize("nearly_full", [crowd(90), crowd(79, size=20), crowd(90, fill_first=False)])
def test_nobody_waits_for_companions_that_the_buffer_has_no_room_for(nearly_full: Buffer) -> None:
    assert nearly_full.due(10.0, deep=True) == 10.0
    assert nearly_full.due(10.0, deep=False) == 10.25, "nothing waits: there is no hurry"


def test_with_a_rate_limit_nobody_waits_for_the_buffer_to_fill() -> None:
    assert crowd(50, fill_first=False).due(10.0, deep=True) == 10.25


def test_what_is_granted_to_a_claim_does_not_count_as_full() -> None:
    """With many lists in one process, one claim is granted all the room of its list."""
    held = crowd(50)
    assert held.space.grant(Room(1_000, 100_000)) == (50, 2_000 - held.space.bytes)
    assert held.due(10.0, deep=True) == 20.0


def test_who_lingers_longer_than_the_buffer_fills_lingers_on() -> None:
    held = Buffer(Limits(100, 2_000, 100, 500_000, linger=30.0, fill_first=True))
    held.add([event("a")], now=10.0)
    assert held.due(10.0, deep=True) == 40.0


def test_every_tenth_turn_is_the_oldest_groups_while_the_buffer_fills() -> None:
    """It lingers as ever, even while others have full groups at any time."""
    held = crowd(20, per_post=2)
    for number in range(20, 40):
        held.add([event("heavy", number)], now=10.0)
    served = ""
    for _ in range(20):
        batch = held.take(10.3, deep=True)
        assert batch is not None
        served += "h" if batch.user == "heavy" else "l"
        finish(held, batch)
        held.add([event("heavy", 99), event("heavy", 99)], now=10.0)
    assert served == 2 * "hhhhhhhhhl"


def test_spilled_events_do_not_fill_the_buffer_so_nobody_waits_for_that() -> None:
    """Most of what is claimed is of one user who backs off."""
    held = crowd(40, per_post=2)
    held.add([event("fails", 40), event("fails", 41)], now=9.0)
    held.back_off(taken(held))
    for number in range(42, 82):
        held.add([event("fails", number)], now=10.0)
    assert (held.space.events, held.space.spilled) == (44, 38)
    assert held.due(10.0, deep=True) == 20.0
    held.add([event("fails", number) for number in range(82, 90)], now=10.0)
    assert held.due(10.0, deep=True) == 10.25


def test_a_full_batch_does_not_linger() -> None:
    held = buffer(per_post=2)
    held.add([event("a")], now=10.0)
    held.add([event("a")], now=10.1)
    assert held.due(10.0, deep=False) == 10.0


def test_room_shrinks_with_events_and_bytes_and_returns_only_when_they_are_decided() -> None:
    held = buffer()
    assert held.space.room == (10, 1000)
    held.add([event("a", size=99)], now=0.0)
    held.add([event("a", size=49)], now=0.0)
    batch = taken(held)
    assert held.space.room == (8, 850), "what is in flight is still in memory"
    held.free(batch.events[:1])
    assert held.space.room == (9, 950)
    held.free(batch.events[1:])
    assert held.space.room == (10, 1000)


@pytest.mark.parametrize(("user", "size"), [("u" * 200, 200), ("é" * 50, 200), ("u" * 49 + "😀", 200)])
def test_a_long_user_takes_room_too_as_often_as_it_is_in_memory(user: str, size: int) -> None:
    held = buffer()
    held.add([event(user, number, 10) for number in range(3)], now=0.0)
    assert held.space.room == (7, 1000 - 3 * (10 + size))
    batch = taken(held)
    held.back_off(batch)
    assert batch.released
    assert held.space.room == (10, 1000 - size), "of a released batch only its user stays"
    batch.recall([event(user, number, 10) for number in range(3)])
    held.recalled(batch)
    assert held.space.room == (7, 1000 - 3 * (10 + size))
    finish(held, batch)
    assert held.space.room == (10, 1000)


def test_an_overfull_buffer_has_no_room_and_not_less_than_none() -> None:
    held = buffer()
    for number in range(12):
        held.add([event("a", number, size=200)], now=0.0)
    assert held.space.room == (0, 0)


def test_a_user_with_nothing_left_leaves_no_trace_in_memory() -> None:
    held = filled("ab")
    finish(held, taken(held))
    finish(held, taken(held))
    assert held._groups == {}


def order(held: Buffer, *, deep: bool) -> str:
    users = ""
    while (batch := held.take(LATER, deep=deep)) is not None:
        users += batch.user
        held.free(batch.events)
    return users


def test_while_more_wait_than_are_here_the_largest_group_goes_first() -> None:
    assert order(filled("abcbcc"), deep=True) == "cba"


def test_groups_larger_than_a_post_are_alike() -> None:
    assert order(filled("abbcccc", per_post=2), deep=True) == "bca"


def test_once_everything_is_here_the_oldest_goes_first() -> None:
    assert order(filled("abcbcc"), deep=False) == "abc"


def test_a_full_group_goes_at_once_whoever_lingers() -> None:
    held = buffer(per_post=2, linger=10.0)
    for now, user in enumerate("abb"):
        held.add([event(user, now)], now=float(now))
    assert held.due(2.0, deep=False) == 1.0, "the first event of b came at 1"
    batch = held.take(2.0, deep=False)
    assert batch is not None
    assert batch.user == "b"


def test_every_tenth_batch_is_the_oldest_users_whatever_its_size() -> None:
    held = Buffer(Limits(99, 999, 2, 500_000, 0.0))
    held.add([event("small", 0, 1)], now=0.0)
    for number in range(1, 41):
        held.add([event(f"u{number // 2}", number, 1)], now=float(number))
    served = []
    for _ in range(12):
        batch = held.take(LATER, deep=True)
        assert batch is not None
        served.append(batch.user)
    assert served.index("small") == 9


def test_a_group_with_the_bytes_of_a_post_is_full() -> None:
    held = buffer(body_bytes=100)
    held.add([event("a", 0, 100)], now=10.0)
    assert held.due(10.0, deep=False) == 10.0


def test_what_had_collected_behind_a_batch_that_backs_off_is_spilled_and_makes_room() -> None:
    held = filled("aaaaab", per_post=2, max_events=12)
    batch = taken(held)
    before = held.space.room[0]
    held.back_off(batch)
    assert (held.space.spilled, held.space.room[0]) == (3, before + 3), "the batch itself stays: it is tried again"
    held.free(batch.events)
    held.finish("a")
    need = held.wanted("a", LATER)
    assert need == (2, 22), "what the next POST takes, and no more"
    assert [number for number, _ in held.unspill("a", need)] == [2, 3]


def test_batches_that_back_off_are_released_when_all_of_them_are_a_quarter_of_the_buffer() -> None:
    held = filled("aabbccddeeff", per_post=2, max_events=32)
    batches = [taken(held) for _ in range(6)]
    for batch in batches[:4]:
        held.back_off(batch)
    assert not any(batch.released for batch in batches)
    before = held.space.room
    for batch in batches[4:]:
        held.back_off(batch)
    assert [bool(batch.released) for batch in batches] == [False] * 4 + [True] * 2
    assert held.space.room[0] == before[0] + 4
    assert [event.body for event in batches[4].events] == [b"", b""]
    bodies = [event("e", number, 2) for number in (8, 9)]
    batches[4].recall(bodies)
    held.recalled(batches[4])
    assert (held.space.room[0], held.space.spilled) == (before[0] + 2, 2)
    held.back_off(batches[0])
    assert batches[0].released, "an earlier one too, when it fails again"


def test_very_many_events_are_spilled_step_by_step_newest_first() -> None:
    held = Buffer(Limits(100_000, 10_000_000, 10, 1_000, 0.0))
    held.add([event("a", number) for number in range(25_010)], now=0.0)
    batch = taken(held)
    held.back_off(batch)
    assert held.space.spilled == 10_000
    held.add([event("a", 25_010)], now=0.0)
    assert held.space.spilled == 10_001, "what comes now is newer than all of them"
    assert held.spill("a")
    assert not held.spill("a")
    assert (held.space.spilled, held.space.events, held.space.bytes) == (25_001, 10, 110), "only the batch is left"
    finish(held, batch)
    out: list[int] = []
    while (need := held.wanted("a", LATER)) is not None:
        held.refill("a", [event("a", number) for number, _ in held.unspill("a", need)])
        batch = taken(held)
        out += numbers(batch)
        finish(held, batch)
    assert out == list(range(10, 25_011))


def test_the_newer_parts_of_a_batch_leave_memory_with_the_oldest() -> None:
    held = filled("aaaaaaaa", max_events=8)
    oldest, newest = taken(held).halves()
    oldest, middle = oldest.halves()
    held.back_off(oldest)
    assert [(part.released, numbers(part)) for part in (oldest, middle, newest)] == [
        (22, [0, 1]),
        (22, [2, 3]),
        (44, [4, 5, 6, 7]),
    ]
    assert (held.space.events, held.space.spilled) == (0, 8)
    oldest.recall([event("a", number) for number in (0, 1)])
    held.recalled(oldest)
    held.back_off(oldest)
    assert (held.space.events, held.space.spilled) == (2, 6), "what is here is no more than a share now"


def test_a_user_who_recovers_leaves_its_share_to_the_others() -> None:
    held = filled("aabb", per_post=2, max_events=8)
    first, second = taken(held), taken(held)
    held.back_off(first)
    held.free(first.events)
    held.finish(first.user)
    held.back_off(second)
    assert not second.released


@pytest.mark.parametrize("users", [1, 3, 49, 50, 51, 200])
def test_whoever_backs_off_leaves_half_of_the_buffer_to_the_others(users: int) -> None:
    """Also where batches and what collects behind them are just as large as may be."""
    held = buffer(per_post=10, max_events=1_000)
    names = [f"u{number}" for number in range(users)]
    most = 1_000 // users // 2
    numbers = itertools.count()
    batches = []
    for name in names:
        held.add([event(name, next(numbers)) for _ in range(min(10, most))], now=0.0)
        batches.append(taken(held))
        held.add([event(name, next(numbers)) for _ in range(most)], now=0.0)
    for batch in [*batches, *batches]:
        if not batch.released:
            held.back_off(batch)
    assert held.space.events <= 500
    assert not held.space.nearly_full


def test_no_more_is_claimed_when_ten_thousand_users_back_off() -> None:
    held = Buffer(Limits(100_000, 1_000_000, 10, 1_000, 0.0))
    for number in range(10_000):
        held.add([event(f"u{number}", number, 1)], now=0.0)
    batches = [taken(held) for _ in range(10_000)]
    for batch in batches:
        assert not held.space.overdrawn
        held.back_off(batch)
    assert (held.space.nearly_full, held.space.overdrawn) == (True, True)
    held.finish(batches[0].user)
    assert not held.space.overdrawn
