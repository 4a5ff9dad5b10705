"""The log names what is found once, and says once that it is over."""

from structlog.testing import capture_logs

from forwarder.admin.notices import Notices
from forwarder.diagnosis.finding import Finding

FULL = Finding("redis_full", "bad", "Redis is full", "Pushes are refused.", "99%", ("Give it more: `redis-cli`",))
SOME = Finding("letters", "warn", "Events become dead letters", "", "1 dead letter.")
MANY = Finding("refusals", "warn", "Many events become dead letters", "")
ELSEWHERE = [Finding(reason, "bad", reason, "") for reason in ("credentials", "redis", "outage", "no_owner", "silent")]


def told(*moments: tuple[float, list[Finding]]) -> list[tuple[str, str, str]]:
    """Level, event and reason of each line."""
    clock = iter([at for at, _ in moments])
    notices = Notices(lambda: next(clock))
    with capture_logs() as lines:
        for _, found in moments:
            notices.tell(found)
    return [(line["log_level"], line["event"], line["reason"]) for line in lines]


def test_what_is_found_is_logged_once_in_its_own_words_and_once_when_it_is_over() -> None:
    with capture_logs() as lines:
        notices = Notices(lambda: 0.0)
        notices.tell([FULL])
        notices.tell([FULL])
    fields = {"reason": "redis_full", "detail": "99%", "remedy": "Give it more: `redis-cli`."}
    assert lines == [{"event": "Redis is full", "log_level": "error", **fields}]
    assert told((0, [FULL]), (5, [FULL]), (10, []), (15, [])) == [
        ("error", "Redis is full", "redis_full"),
        ("info", "over", "redis_full"),
    ]


def test_what_comes_and_goes_is_logged_again_only_after_a_minute() -> None:
    flapping = [(at, [SOME] if at % 10 else []) for at in range(5, 100, 5)]
    assert len(told(*flapping)) == 2
    assert len(told((0, [SOME]), (5, []), (70, [SOME]))) == 3


def test_more_dead_letters_of_the_same_cause_are_one_line() -> None:
    assert told((0, [SOME]), (5, [MANY]), (10, [SOME])) == [("warning", "Events become dead letters", "letters")]


def test_just_after_redis_is_back_nothing_is_logged_that_may_be_over_in_a_moment() -> None:
    gone = Finding("orphan", "warn", "A worker is gone", "")
    back = [(0.0, [Finding("redis", "bad", "Redis is unavailable", "")]), (2.5, [gone]), (9.0, [gone])]
    assert told(*back, (11.0, [])) == []
    assert told(*back, (11.0, [gone])) == [("warning", "A worker is gone", "orphan")]


def test_dead_letters_are_not_news_when_the_halt_that_they_caused_has_ended() -> None:
    brake = Finding("dead_letter_brake", "bad", "Halted: most events were refused", "")
    near = Finding("brake_near", "warn", "Most of what is sent is refused", "")
    assert told((0.0, [brake]), (100.0, [brake]), (102.5, [near]), (105.0, [SOME]), (160.0, [SOME])) == []


def test_what_other_parts_log_is_left_to_them() -> None:
    assert told((0, ELSEWHERE)) == []
