"""What happens a thousand times is said once, and counted."""

from forwarder.logs.repeats import PERIOD, Chatter, Repeated
from tests.support.simulator_client import Clock


def test_the_first_is_said_at_once_and_the_rest_is_counted_for_each_status() -> None:
    clock = Clock()
    chatter = Chatter(clock)
    said = [chatter.is_news("POST not accepted", status) for status in ["503"] * 1_000 + ["reset"] * 3]
    assert [n for n, each in enumerate(said) if each] == [0, 1_000]
    assert chatter.repeated() == []
    clock.now += PERIOD
    assert chatter.repeated() == [
        Repeated("POST not accepted", "503", 999, PERIOD),
        Repeated("POST not accepted", "reset", 2, PERIOD),
    ]


def test_what_goes_on_is_counted_on_and_what_has_ended_is_news_again() -> None:
    clock = Clock()
    chatter = Chatter(clock)
    for _ in range(2):
        chatter.is_news("a", "x")
    clock.now += PERIOD
    assert [each.times for each in chatter.repeated()] == [1]
    assert not chatter.is_news("a", "x"), "its number has just been said"
    clock.now += PERIOD
    assert [each.times for each in chatter.repeated()] == [1]
    clock.now += PERIOD
    assert chatter.repeated() == []
    assert chatter.is_news("a", "x")


def test_at_an_end_everything_counted_is_said_at_once() -> None:
    chatter = Chatter(Clock())
    for _ in range(3):
        chatter.is_news("a", "x")
    assert [each.times for each in chatter.repeated(at_once=True)] == [2]
    assert chatter.repeated(at_once=True) == []
