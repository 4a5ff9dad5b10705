"""The pauses between the probes of an outage."""

from forwarder.api.pacing.outage import Outage


def began() -> Outage:
    """An outage that three users have noticed, before anybody has probed it."""
    outage = Outage(initial_pause=0.5, longest_pause=60.0, now=0.0)
    for user in "abc":
        outage.failed(user)
    return outage


def test_the_pauses_double_up_to_the_longest_backoff() -> None:
    outage, now, pauses = began(), 0.0, []
    for _ in range(10):
        assert outage.deepens(trouble=True, started=now, now=now)
        pauses.append(outage.paused_until - now)
        now = outage.paused_until
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_the_longest_pause_stands_however_many_probes_failed() -> None:
    outage, now = began(), 0.0
    for _ in range(2_000):
        assert outage.deepens(trouble=True, started=now, now=now)
        assert 0.5 <= outage.paused_until - now <= 60.0 + 1e-6
        now = outage.paused_until


def test_a_good_answer_ends_it_and_the_next_one_starts_small() -> None:
    outage = began()
    assert outage.deepens(trouble=True, started=0.0, now=0.0)
    assert outage.is_on
    outage.accepted(1.0)
    assert (outage.is_on, outage.paused_until) == (False, 0.0)
    assert not outage.deepens(trouble=True, started=2.0, now=2.0), "nobody has failed since"
