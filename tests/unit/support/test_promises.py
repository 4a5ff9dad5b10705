"""The checker of histories, fed with false ones: each lie must be named as what it is."""

from tests.support.promises import SETTLING, History, Post, check

PUSHED = {"a": [1, 2, 3], "b": [4, 5]}
TRUE = [Post("a", (1, 2), at=1.0), Post("b", (4, 5), at=1.1), Post("a", (3,), at=1.2)]


def history(posts: list[Post] | None = None, **others: object) -> History:
    return History(PUSHED, TRUE if posts is None else posts, **others)  # type: ignore[arg-type]


def test_a_true_history_has_no_fault() -> None:
    assert check(history()).faults == {}


def test_what_still_waits_or_is_claimed_is_not_missing() -> None:
    assert check(history([Post("a", (1,))], waiting=[5, 3], claimed=[2, 4])).faults == {}


def test_a_missing_event_is_named() -> None:
    assert check(history(TRUE[:2])).faults == {"missing": [3]}


def test_a_double_without_a_cause_is_named() -> None:
    assert check(history([*TRUE, Post("b", (5,), at=9.0)])).faults == {"doubled without a cause": [5]}


def test_a_double_within_one_post_has_no_excuse() -> None:
    posts = [Post("a", (1, 2, 2, 3), answered=False), TRUE[1]]
    assert check(history(posts)).faults == {"doubled without a cause": [2]}


def test_a_double_of_a_post_whose_answer_was_lost_is_explained() -> None:
    verdict = check(history([Post("b", (4,), answered=False), *TRUE]))
    assert (verdict.faults, verdict.explained) == ({}, [4])


def test_a_double_of_what_was_accepted_just_before_a_kill_is_explained() -> None:
    posts = [Post("b", (4, 5), at=1.0), *TRUE[::2], Post("b", (4, 5), at=9.0)]
    assert check(history(posts, disturbances=[1.0 + SETTLING / 2])).explained == [4, 5]
    assert check(history(posts, disturbances=[1.0 + SETTLING * 3])).faults == {"doubled without a cause": [4, 5]}


def test_a_second_double_needs_a_cause_of_its_own() -> None:
    posts = [Post("b", (4,), answered=False), Post("b", (4,)), *TRUE]
    verdict = check(history(posts))
    assert (verdict.explained, verdict.unexplained) == ([4], [4])


def test_events_of_one_user_that_changed_places_are_named() -> None:
    posts = [Post("a", (2, 1)), TRUE[1], TRUE[2]]
    assert check(history(posts)).faults == {"out of order": ["a"]}


def test_only_the_first_acceptance_counts_for_the_order() -> None:
    posts = [Post("a", (1, 2), answered=False), Post("a", (1, 2)), *TRUE[1:]]
    assert check(history(posts)).faults == {}


def test_an_event_that_went_to_another_user_is_named() -> None:
    found = check(history([*TRUE[:2], Post("b", (3,))])).faults
    assert found == {"out of order": ["b"]}


def test_a_dead_letter_without_a_reason_or_with_the_wrong_one_is_named() -> None:
    posts = [Post("a", (1, 2)), TRUE[1]]
    assert check(history(posts, letters=[(3, "rejected")], bad={3: "rejected"})).faults == {}
    assert list(check(history(posts, letters=[(3, "rejected")])).faults) == ["dead letters"]
    assert list(check(history(posts, letters=[(3, "invalid")], bad={3: "rejected"})).faults) == ["dead letters"]
    twice = [(3, "rejected"), (3, "rejected")]
    assert "dead letters" in check(history(posts, letters=twice, bad={3: "rejected"})).faults


def test_an_event_in_two_places_or_from_nowhere_is_named() -> None:
    assert check(history([Post("a", (1,))], waiting=[2, 3], claimed=[2, 4, 5])).faults == {"unaccounted": [2]}
    assert check(history(TRUE, letters=[(5, "rejected")], bad={5: "rejected"})).faults == {"unaccounted": [5]}
    assert "unaccounted" in check(history([*TRUE, Post("a", (77,))])).faults


def test_a_push_that_went_down_with_its_master_may_be_nowhere_but_no_other_may() -> None:
    history = History({"u": [1, 2, 3]}, [Post("u", (1,))], uncertain={2})
    assert check(history).faults == {"missing": [3]}


def test_what_a_failover_forgot_may_double_and_nothing_else() -> None:
    posts = [Post("u", (1,), at=5.0), Post("u", (2,), at=50.0), Post("u", (1, 2), at=60.0)]
    verdict = check(History({"u": [1, 2]}, posts, unsettled=[(4.0, 8.0)]))
    assert (verdict.explained, verdict.unexplained) == ([1], [2])
