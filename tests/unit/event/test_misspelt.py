"""A misspelt member is recognised, and another member is not taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.event.flaws import RULES, Flaw, Problem
from forwarder.event.misspelt import meant


@pytest.mark.parametrize(
    ("member", "name"),
    [
        *(
            ("user_id", name)
            for name in ("userId", "UserID", "user-id", "userid", "usr_id", "user_ids", "uid", "customerId")
        ),
        *(("user_id", name) for name in ("uesr_id", "user id", " USER_ID\n", "User_Id")),
        *(("name", name) for name in ("nam", "nmae", "Name", "event", "eventName", "event_name", "type")),
        *(("date", name) for name in ("timestamp", "time", "Date", "dat", "datetime", "created_at", "occurredAt")),
    ],
)
def test_what_is_nearly_our_name_or_often_used_for_it_is_meant(member: str, name: str) -> None:
    assert meant(member, ["vars", name]) == name


@pytest.mark.parametrize(
    "name",
    [
        "vars",
        "data",
        "game",
        "same",
        "names",
        "rate",
        "x",
        "",
        "order_id",
        "ñame",
        "n\0ame",
        "n" + "_" * 20 + "ame",
        "alice@example.com",
    ],
)
def test_any_other_name_is_another_member(name: str) -> None:
    assert [meant(member, [name]) for member in RULES] == [None] * len(RULES)


def test_our_other_members_are_never_meant_and_a_usual_name_comes_before_a_slip() -> None:
    assert meant("name", ["user_id", "date"]) is None
    assert meant("name", ["mame", "event"]) == "event"


@given(st.sampled_from(list(RULES)), st.lists(st.text(max_size=20)))
def test_whatever_is_meant_is_read_back_from_the_text_of_the_flaw(member: str, names: list[str]) -> None:
    flaw = Flaw.missing(member, names)
    assert flaw.problem in {Problem.MISSING, Problem.MISSPELT}
    assert Flaw.parse(str(flaw)) == flaw
    assert len(str(flaw)) < 60
