"""What the charts of the status page are made of."""

from forwarder.monitor.history import History, Pace, Sample, pace


def test_rates_are_differences_over_time() -> None:
    before = Sample(10.0, accepted=100, posts=10, posted_events=500, batches=10, retries=1)
    after = Sample(15.0, accepted=1100, posts=20, posted_events=1500, batches=20, retries=6)
    assert pace(before, after) == Pace(accepted=200.0, posts=2.0, events_per_post=100.0, retries=1.0)


def test_what_is_unknown_or_went_back_is_unknown() -> None:
    known, unknown = Sample(10.0, accepted=100, posts=10), Sample(15.0, posts=10)
    assert pace(known, unknown).accepted is None
    assert pace(unknown, Sample(20.0, accepted=5)).accepted is None
    assert pace(known, Sample(15.0, accepted=5, posts=10)).accepted is None
    assert pace(known, Sample(15.0, accepted=100, posts=10)).events_per_post is None


def test_a_clock_that_stands_or_goes_back_makes_no_rate() -> None:
    for at in (10.0, 9.0, float("-inf")):
        assert pace(Sample(10.0, accepted=1), Sample(at, accepted=2)) == Pace()


def test_what_others_have_counted_makes_a_rate_over_the_time_between_the_counts() -> None:
    before = Sample(10.0, accepted=100, counted=6.0, posts=10)
    assert pace(before, Sample(15.0, accepted=1_000, counted=15.0, posts=20)) == Pace(100.0, 2.0, None, 0.0)
    assert pace(before, Sample(15.0, accepted=100, counted=6.0, posts=20)).accepted is None, "the same count again"


def test_it_is_bounded_and_forgets_the_oldest() -> None:
    history = History()
    for number in range(10_000):
        history.add(Sample(number * 5.0, backlog=number))
    columns = history.columns(10_000 * 5.0)
    assert {len(column) for column in columns.values()} == {180}
    assert columns["age"][0] == 900.0
    assert columns["backlog"][-1] == 9_999


def test_now_is_the_last_ten_seconds() -> None:
    history = History()
    assert history.now(Sample(0.0, accepted=0)) == Pace()
    for second, accepted in ((0, 0), (5, 5_000), (10, 5_000), (15, 5_100)):
        history.add(Sample(float(second), accepted=accepted))
    assert history.now(Sample(20.0, accepted=5_200)).accepted == 20.0


def test_answers_are_those_of_the_last_minute_the_most_frequent_first() -> None:
    history = History()
    history.add(Sample(0.0, answers={"202": 1_000.0}))
    history.add(Sample(100.0, answers={"202": 1_010.0, "500": 3.0}))
    now = Sample(165.0, answers={"202": 1_012.0, "500": 3.0, "503": 9.0})
    assert list(history.answers(now).items()) == [("503", 9), ("202", 2)]
