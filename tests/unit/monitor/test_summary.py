"""What the log says once a minute."""

from forwarder.metrics import Metrics
from forwarder.monitor.summary import Summary


def values(**gauges: float) -> dict[str, dict[str, float]]:
    return {**Metrics().values(), **{name: {"": value} for name, value in gauges.items()}}


def test_it_says_what_was_done_a_second_and_how_the_queue_stands() -> None:
    digest = Summary(100.0, values())
    busy = values(
        events_accepted_total=500,
        post_events_sum=600,
        post_events_count=6,
        backlog_events=10,
        queue_waiting_events=7,
        claimed_events=3,
        oldest_waiting_age_seconds=4.7,
        oldest_claimed_age_seconds=2.2,
        dead_letters=1,
    ) | {"posts_total": {"202": 5.0, "503": 5.0}, "retries_total": {"503": 2.0}}
    assert digest.line(109.9, busy) is None
    assert digest.line(110.0, busy) == {
        "events_per_second": 50.0,
        "posts_per_second": 1.0,
        "events_per_post": 100.0,
        "retries": 2,
        "backlog": 10,
        "waiting": 7,
        "claimed": 3,
        "oldest_seconds": 4,
        "dead_letters": 1,
    }


def test_it_speaks_once_a_minute_and_also_of_the_very_same_again() -> None:
    digest = Summary(0.0, values())
    said = [now for now in range(0, 300, 5) if digest.line(now, values(events_accepted_total=now))]
    assert said == [10, 70, 130, 190, 250]


def test_it_is_silent_while_nothing_happens() -> None:
    digest = Summary(0.0, values())
    assert not any(digest.line(now, values()) for now in range(0, 300, 5))
    with_letters = values(dead_letters=3)
    said = [now for now in range(300, 600, 5) if digest.line(now, with_letters)]
    assert len(said) == 1
    assert digest.line(700, values()) is None


def test_what_waits_and_ages_is_said_each_time() -> None:
    digest = Summary(0.0, values())
    lines = [digest.line(now, values(claimed_events=5, oldest_claimed_age_seconds=now)) for now in (10, 70, 130)]
    assert [line and line["oldest_seconds"] for line in lines] == [10, 70, 130]
