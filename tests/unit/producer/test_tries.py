"""What a round trip sends again, for how long, and what is known of it in the end."""

import pytest

from forwarder.producer.encoding import Outgoing
from forwarder.producer.fates import Fate, PushEnding, Shortfall
from forwarder.producer.portions import Portion
from forwarder.producer.tries import Patience, Tries

ONE, TWO = (Portion(shard, 0, [Outgoing(0, "u", b"{}"), Outgoing(1, "u", b"{}")]) for shard in range(2))
DONE, LOST, DENIED = Fate(PushEnding.DONE, 2), Fate(PushEnding.LOST, 0, "lost"), Fate(PushEnding.DENIED, 0, "no right")
AWAY = Fate(PushEnding.UNAVAILABLE, 0, "away")


def tries(*fates: Fate, durable: bool = False, shortfall: Shortfall | None = None) -> Tries:
    found = Tries([ONE, TWO], durable=durable)
    found.record([ONE, TWO], fates, shortfall)
    return found


def test_only_what_is_not_done_is_sent_again() -> None:
    some = tries(DONE, LOST)
    assert some.unsettled
    assert some.open(plain=False) == [TWO]
    some.record([TWO], [DONE], None)
    assert not some.unsettled
    assert some.results() == ([DONE, DONE], None)


def test_to_be_durable_everything_is_sent_again_and_what_was_done_stays_done() -> None:
    some = tries(DONE, LOST, durable=True)
    assert some.open(plain=False) == [ONE, TWO]
    some.record([ONE, TWO], [LOST, LOST], None)
    assert some.results() == ([DONE, LOST], None)
    some.refuse(AWAY)
    assert some.results() == ([DONE, AWAY._replace(ending=PushEnding.LOST)], None)


@pytest.mark.parametrize("passing", [True, False])
def test_the_wait_for_replicas_is_asked_for_again_if_its_reply_was_lost(*, passing: bool) -> None:
    some = tries(DONE, DONE, durable=True, shortfall=Shortfall("why", passing))
    assert some.unsettled == passing
    assert some.results() == ([DONE, DONE], "why")


@pytest.mark.parametrize(
    ("later", "known"),
    [
        (AWAY, Fate(PushEnding.LOST, 0, "away")),
        (Fate(PushEnding.REDIS_FULL, 0, "full"), Fate(PushEnding.LOST, 0, "full")),
        (Fate(PushEnding.QUEUE_FULL, 1, "full"), Fate(PushEnding.LOST, 1, "full")),
        (Fate(PushEnding.KEY_REUSED, 0, "other"), Fate(PushEnding.KEY_REUSED, 0, "other")),
        (DONE, DONE),
    ],
)
def test_what_was_lost_may_still_arrive_unless_all_is_known(later: Fate, known: Fate) -> None:
    some = tries(DONE, LOST)
    some.record([TWO], [later], None)
    assert some.results() == ([DONE, known], None)


def test_what_an_earlier_try_has_pushed_stays_pushed() -> None:
    part, away = Fate(PushEnding.QUEUE_FULL, 1, "full"), AWAY._replace(pushed=1)
    some = tries(part, LOST)
    some.record([ONE, TWO], [AWAY, AWAY], None)
    assert some.results()[0][0] == away
    some = tries(part, LOST)
    some.refuse(AWAY)
    assert some.results()[0][0] == away
    assert some.began


def test_a_wait_without_what_was_pushed_before_does_not_make_it_durable() -> None:
    why = Shortfall("the reply was lost", passing=True)
    for later in ([AWAY, AWAY], [LOST, LOST], [DONE, AWAY]):
        some = tries(DONE, DONE, durable=True, shortfall=why)
        some.record([ONE, TWO], later, None)
        assert some.unsettled
        assert some.results() == ([DONE, DONE], why.why)
        some.record([ONE, TWO], [DONE, DONE], None)
        assert not some.unsettled
        assert some.results() == ([DONE, DONE], None)


def test_what_may_have_been_pushed_is_never_sent_without_the_script() -> None:
    some = tries(LOST, DENIED)
    assert some.open(plain=True) == [TWO]
    some = tries(LOST, AWAY)
    some.record([ONE, TWO], [DENIED, DENIED], None)
    assert some.open(plain=True) == [TWO]
    assert Tries([ONE, TWO], durable=False).open(plain=True) == [ONE, TWO]


def test_a_refusal_for_good_is_not_tried_again() -> None:
    for ending in set(PushEnding) - {PushEnding.LOST, PushEnding.UNAVAILABLE}:
        assert not tries(DONE, Fate(ending)).unsettled


def test_the_pauses_grow_and_end_when_the_time_is_up() -> None:
    now = 100.0
    patience = Patience(3.0, lambda: now, lambda _, most: most)
    pauses = []
    while (pause := patience.pause()) is not None:
        pauses.append(pause)
        now += pause
        assert not patience.over
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 5]
    now += 1.0
    assert patience.over


def test_the_time_begins_with_the_first_failure() -> None:
    now = 0.0
    patience = Patience(1.0, lambda: now)
    now = 50.0
    assert patience.pause() is not None


def test_pauses_differ_and_none_is_nothing() -> None:
    pauses = [Patience(1.0, lambda: 0.0).pause() or 0 for _ in range(100)]
    assert min(pauses) >= 0.01
    assert len(set(pauses)) > 90


def test_without_time_nothing_is_tried_again() -> None:
    assert Patience(0.0, lambda: 0.0).pause() is None
