from forwarder.api.evidence import Evidence


def of(*users: str) -> Evidence[int]:
    found: Evidence[int] = Evidence()
    for number, user in enumerate(users):
        found.add(user, number)
    return found


def test_one_user_is_one_user_however_often_it_is_answered() -> None:
    assert not of(*"aaaaaaaa").enough
    assert not of(*"abababab").enough
    assert of(*"aaaabaac").enough


def test_the_latest_three_are_remembered_with_what_each_was_answered_last() -> None:
    assert of(*"abcadc").latest == [3, 4, 5]


def test_memory_does_not_grow_with_users_nor_with_the_length_of_their_names() -> None:
    found = of(*(f"{number}" * 10_000 for number in range(100)))
    assert len(found.latest) == 3


def test_after_something_that_contradicts_it_starts_anew() -> None:
    found = of(*"ab")
    found.clear()
    found.add("c", 0)
    assert not found.enough


def test_where_there_are_fewer_users_all_of_them_count_with_three_answers_each() -> None:
    assert of(*"aaa").is_of_all(1)
    assert of(*"aabbba").is_of_all(2)
    assert not of(*"aa").is_of_all(1)
    assert not of(*"aaabb").is_of_all(2)
    assert not of(*"aaa").is_of_all(2), "one of them was not heard"
    assert not of().is_of_all(0)
