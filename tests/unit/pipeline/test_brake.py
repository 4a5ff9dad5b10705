import pytest

from forwarder.outcome import HaltReason
from forwarder.pipeline.brake import Brake, Window
from forwarder.queue.tally import MOST_USERS, Report, Tally

WELL = Tally(100, 10, 9, "the API answered 400")
UNCLEAR = Tally(100, 60, 9, "the API answered 400")


def window(size: int = 100, *, workers: int = 1) -> Window:
    brake = Brake(size)
    brake.share(workers)
    return brake.answers


def at_once(window: Window, refusals: int) -> int:
    """How many of so many refusals in a row become dead letters at once."""
    return [window.refused(f"u{number}", "400") for number in range(refusals)].count(False)


def verdicts(window: Window, tally: Tally, *, most: int = 20) -> int:
    """After how many such verdicts nothing waits any more."""
    for count in range(most):
        if not window.waiting:
            return count
        assert window.report()
        assert window.judge(tally) is None
    return most


@pytest.mark.parametrize(
    ("size", "workers", "letters"), [(100, 1, 49), (100, 8, 5), (100, 64, 1), (10, 1, 4), (1, 1, 1), (1_000, 1, 499)]
)
def test_a_worker_suspects_once_half_of_its_own_decisions_are_refusals(size: int, workers: int, letters: int) -> None:
    suspect = window(size, workers=workers)
    suspect.passed(10_000)
    assert at_once(suspect, 1_000) == letters
    assert suspect.waiting


def test_a_worker_that_has_decided_little_does_not_suspect_at_once() -> None:
    assert at_once(window(), 3) == 3


def test_between_two_good_verdicts_the_fleet_writes_one_window_of_letters_at_most() -> None:
    one = window(workers=8)
    written = 0
    for _ in range(100):
        one.passed(9)
        written += at_once(one, 1)
    assert written == 100 // 8
    assert one.report()
    one.judge(UNCLEAR)
    one.passed(9)
    assert one.refused("u", "400")
    one.report()
    one.judge(WELL)
    one.passed(9)
    assert not one.refused("u", "400")


def test_a_batch_that_is_refused_as_a_whole_always_waits() -> None:
    one = window()
    one.passed(1_000)
    assert one.refused("u", "404", whole=True)
    assert verdicts(one, WELL) == 2


def test_what_waits_becomes_letters_after_two_good_verdicts_five_for_a_suspect_and_ten_of_any_kind() -> None:
    one = window()
    one.passed(1_000)
    one.refused("u", "404", whole=True)
    assert verdicts(one, UNCLEAR) == 10
    at_once(one, 100)
    assert verdicts(one, WELL) == 5
    at_once(one, 1)
    assert verdicts(one, UNCLEAR) == 10


@pytest.mark.parametrize(
    ("tally", "halts"),
    [
        (Tally(100, 80, 3, "r"), True),
        (Tally(100, 79, 3, "r"), False),
        (Tally(99, 99, 3, "r"), False),
        (Tally(1_000, 800, 3, "r"), True),
        (Tally(100, 100, 2, "r"), False),
    ],
)
def test_four_fifths_of_a_full_window_by_three_users_halt(tally: Tally, halts: object) -> None:
    one = window()
    one.refused("u", "r")
    assert (one.judge(tally) is not None) is halts


def test_fewer_than_a_window_or_than_three_users_are_no_evidence_against_the_fleet() -> None:
    for tally in (Tally(99, 99, 3, "r"), Tally(100, 100, 2, "r")):
        one = window()
        one.passed(100)
        one.refused("u", "r", whole=True)
        assert verdicts(one, tally) == 2


def test_elements_need_no_users_because_they_have_none() -> None:
    brake = Brake(100)
    halt = brake.elements.judge(Tally(100, 80, 0, "name: missing"))
    assert halt
    assert halt.reason is HaltReason.DEAD_LETTER_BRAKE
    assert halt.detail == ("80 of the last 100 decoded elements were invalid; the most frequent reason: name: missing")


def test_the_halt_of_the_answers_says_what_was_refused() -> None:
    halt = window().judge(Tally(104, 90, 7, "the API answered 400"))
    assert halt
    assert halt.detail == (
        "90 of the last 104 answers refused what was sent; the most frequent reason: the API answered 400"
    )


def test_a_report_is_the_same_until_it_is_judged() -> None:
    one = window()
    assert one.report() is None, "nothing was decided, and nothing waits"
    one.passed(5)
    for user in ("a", "b", "b", "c", "d", "b", "a", "c"):
        one.refused(user, "400" if user == "b" else user)
    first = one.report()
    one.passed(2)
    assert one.report() is first, "its reply may have been lost"
    assert first
    assert (first.number, first.decisions, first.refusals, first.reason, first.times) == (1, 13, 8, "400", 3)
    assert [times for _, times in first.users] == [3, 2, 2]
    assert "b" not in dict(first.users), "digests"
    one.judge(WELL)
    assert one.report() == Report(2, 2)


def test_a_report_is_about_a_window_of_the_latest_decisions() -> None:
    one = window()
    one.passed(5_000)
    at_once(one, 90)
    assert one.report() == Report(1, 100, 90, one.report().users, "400", 90)  # type: ignore[union-attr]


def test_who_waits_asks_even_if_nothing_more_was_decided() -> None:
    one = window()
    one.refused("u", "404", whole=True)
    one.report()
    one.judge(UNCLEAR)
    assert one.report() == Report(2)


def test_a_window_of_nothing_switches_it_off() -> None:
    one = window(0)
    one.passed(3)
    assert at_once(one, 10_000) == 10_000
    assert not one.refused("u", "404", whole=True)
    assert one.report() is None


def test_after_forgetting_everything_begins_anew() -> None:
    one = window()
    at_once(one, 100)
    one.report()
    at_once(one, 100)
    one.forget()
    assert not one.waiting
    assert one.report() is None
    assert at_once(one, 100) == 49


def test_the_windows_are_never_mixed() -> None:
    brake = Brake(100)
    at_once(brake.elements, 100)
    assert not brake.answers.waiting


def test_an_entry_has_bounds() -> None:
    users = tuple((f"{number:x}", 1) for number in range(MOST_USERS + 5))
    entry = Report(7, 9, 8, users, "x" * 10_000, 8).entry("w")
    assert entry.startswith("w 7 9 8 8 0:1,1:1,2:1 xxx")
    assert len(entry) < 300


def test_people_learn_of_a_suspicion_until_a_good_verdict_or_until_nothing_was_decided_for_a_minute() -> None:
    brake = Brake(100)
    for few in (WELL, Tally(99, 90, 9, "r"), Tally(100, 60, 2, "r")):
        brake.answers.judge(few)
        assert brake.suspicion is None
    brake.answers.judge(UNCLEAR)
    brake.elements.judge(Tally(120, 90, 0, "r"))
    assert brake.suspicion == (90, 120)
    brake.elements.judge(WELL)
    assert brake.suspicion == (60, 100)
    for _ in range(59):
        assert brake.answers.report() is None
    brake.answers.passed()
    assert brake.answers.report()
    brake.answers.judge(UNCLEAR)
    for _ in range(59):
        assert brake.answers.report() is None
    assert brake.suspicion == (60, 100)
    brake.answers.report()
    assert brake.suspicion is None


def test_what_a_person_has_looked_at_is_no_suspicion_any_more() -> None:
    brake = Brake(100)
    assert brake.answers.judge(Tally(100, 90, 9, "r"))
    assert brake.suspicion == (90, 100)
    brake.forget()
    assert brake.suspicion is None
