"""Which events go in which round trip, and the result for each event."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.config import Settings
from forwarder.errors import (
    KeyReusedError,
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)
from forwarder.producer.encoding import Outgoing
from forwarder.producer.fates import Fate, PushEnding
from forwarder.producer.portions import Portion
from forwarder.producer.push import Push
from forwarder.queue.keys import Side
from forwarder.queue.sharding import shard_of


def outgoing(count: int, users: int = 7, size: int = 10) -> list[Outgoing]:
    return [Outgoing(n, f"u{n % users}", b"%d" % n + b"x" * size) for n in range(count)]


def done(portions: Sequence[Portion]) -> list[Fate]:
    return [Fate(PushEnding.DONE, len(portion.events)) for portion in portions]


def test_a_round_trip_holds_one_portion_of_each_list() -> None:
    events = outgoing(5_000)
    push, trips = Push(events, 3), 0
    for portions in push.rounds():
        shards = [portion.shard for portion in portions]
        assert len(set(shards)) == len(shards)
        assert all(len(portion.events) <= 1_000 for portion in portions)
        push.record(portions, done(portions), None)
        trips += 1
    push.finish()
    most = max(Counter(shard_of(event.user, 3) for event in events).values())
    assert trips == -(-most // 1_000)


def test_a_portion_is_bounded_in_bytes_and_holds_one_event_however_large() -> None:
    push = Push(outgoing(5, users=1, size=3_000_000), 1)
    sizes = []
    for portions in push.rounds():
        sizes += [len(portion.events) for portion in portions]
        push.record(portions, done(portions), None)
    assert sizes == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("endings", "shortfall", "error"),
    [
        ([PushEnding.LOST, PushEnding.REFUSED], None, MaybePushedError),
        ([PushEnding.REFUSED, PushEnding.LOST], "late", MaybePushedError),
        ([PushEnding.QUEUE_FULL, PushEnding.REDIS_FULL], None, RedisFullError),
        ([PushEnding.REDIS_FULL, PushEnding.KEY_REUSED], None, KeyReusedError),
        ([PushEnding.UNAVAILABLE, PushEnding.DONE], None, NotPushedError),
        ([PushEnding.REFUSED, PushEnding.QUEUE_FULL], None, NotPushedError),
        ([PushEnding.DONE, PushEnding.QUEUE_FULL], "late", QueueFullError),
        ([PushEnding.DONE, PushEnding.DONE], "late", NotDurableError),
    ],
)
def test_the_most_serious_error_is_raised(
    endings: list[PushEnding], shortfall: str | None, error: type[PushError]
) -> None:
    push = Push(outgoing(4_000, users=50), 2)
    for portions in push.rounds():
        fates = [Fate(ending, 3 if ending is not PushEnding.LOST else 0, ending) for ending in endings]
        push.record(portions, fates, shortfall)
    with pytest.raises(PushError) as raised:
        push.finish()
    assert type(raised.value) is error
    assert len(raised.value.pushed) + len(raised.value.uncertain) + len(raised.value.not_pushed) == 4_000


def test_a_refused_push_sends_nothing() -> None:
    push = Push(outgoing(3), 1)
    push.refuse("why")
    assert list(push.rounds()) == []
    with pytest.raises(NotPushedError, match=r"^3 not pushed: why$"):
        push.finish()


@given(seed=st.integers(0, 2**32), shards=st.integers(1, 5), count=st.integers(0, 6_000))
def test_every_event_is_in_one_of_three_and_no_user_has_a_gap(seed: int, shards: int, count: int) -> None:
    chance = random.Random(seed)
    events = outgoing(count, users=11)
    push = Push(events, shards)
    there: list[int] = []
    for portions in push.rounds():
        fates = []
        for portion in portions:
            ending = chance.choices(list(PushEnding), [80, *[1] * (len(PushEnding) - 1)])[0]
            most = len(portion.events)
            taken = {PushEnding.DONE: most, PushEnding.QUEUE_FULL: chance.randrange(most)}.get(ending, 0)
            there += [event.position for event in portion.events[:taken]]
            fates.append(Fate(ending, taken, "why"))
        push.record(portions, fates, None)
    try:
        push.finish()
    except PushError as error:
        parts = (error.pushed, error.uncertain, error.not_pushed)
    else:
        parts = (tuple(range(count)), (), ())
    assert sorted(sum(parts, ())) == list(range(count))
    assert sorted(there) == list(parts[0])
    known = set(parts[0])
    for user in {event.user for event in events}:
        mine = [event.position for event in events if event.user == user]
        pushed = [position for position in mine if position in known]
        assert pushed == mine[: len(pushed)], (user, shard_of(user, shards))


def test_the_sides_are_those_of_the_setting() -> None:
    assert set(get_args(Side)) == set(get_args(Settings.model_fields["consume_from"].annotation))
