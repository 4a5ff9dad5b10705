"""What the status page says of dead letters, and what it leaves to the command."""

from dataclasses import replace
from typing import Any

import pytest

from forwarder.dead_letters.groups import Group, by_name
from forwarder.monitor import shown_letters
from forwarder.monitor.latest_letters import Example, Latest
from forwarder.queue.groups import Groups, LetterGroup, Names
from forwarder.queue.letters import DeadLetter


def letters(size: int) -> Latest:
    element = b'{"user_id":"u","name":"n","x":"%b"}' % (b"x" * size)
    letter = DeadLetter("0-0", element, "rejected", "400", "", "u", 10**15, 1, size=len(element))
    return Latest(tuple(replace(letter, id=f"{n}-0") for n in range(20)))


def hidden(found: Latest) -> list[dict[str, Any]]:
    shown: Any = shown_letters.hidden(found, 20, None)["latest"]
    return list(shown)


def revealed(found: Latest) -> list[dict[str, Any]]:
    shown: Any = shown_letters.revealed(found, 20, None)["letters"]
    return list(shown)


def test_usual_letters_are_all_explained() -> None:
    assert not [each for each in hidden(letters(1_000)) if "explains what" in str(each["explanation"])]


def test_of_letters_that_take_long_to_explain_only_so_many_are() -> None:
    """Whoever pushes what is refused must not keep the service busy with it while a page is open."""
    left = [
        each["id"] for each in hidden(letters(30_000)) if f"`forwarder dead show {each['id']}`" in each["explanation"]
    ]
    assert left == [f"{n}-0" for n in range(2, 20)], "the latest are"


def test_what_this_service_did_not_write_is_shown_only_with_the_token() -> None:
    other = "s3cr3t@example.com"
    found = Latest((DeadLetter("1-0", b"{}", other, other, other, other, 10**15, 1),))
    assert other not in str(hidden(found))
    assert (hidden(found)[0]["reason"], hidden(found)[0]["status"]) == ("other", "other")
    (shown,) = revealed(found)
    assert (shown["detail"], shown["user_id"]) == (other, other)


def test_members_are_named_only_with_the_token() -> None:
    element = b'{"user_id":"u","name":"n","s3cr3t@example.com":1}'
    found = Latest((DeadLetter("1-0", element, "rejected", "400", "", "u", 10**15, 1),))
    assert "a member has an unusual character" in str(hidden(found))
    assert "s3cr3t@example.com" in str(revealed(found)[0]["explanation"])


def group(name: str | Names, count: int, last: int, *, status: str = "400", others: int = 0) -> LetterGroup:
    reason = "invalid" if name is Names.NONE else "rejected"
    return LetterGroup(reason, status, name, count, others, "1000-0", f"{last}000-0")


LISTS = (
    Groups((group("s3cr3t", 3, 5), group("visit", 1, 9, others=1), group(Names.NONE, 2, 3, status=""))),
    Groups((group("s3cr3t", 4, 7, others=4),)),
)


def test_without_the_token_groups_have_no_names_and_say_how_many_there_are() -> None:
    found = Latest(lists=LISTS, counts=(None, None))
    shown: Any = shown_letters.hidden(found, 10, None)
    assert "s3cr3t" not in str(shown)
    assert (shown["kept"], shown["exact"], shown["by_reason"]["rejected"], shown["by_reason"]["invalid"]) == (
        10,
        True,
        8,
        2,
    )
    rejected, invalid = shown["groups"]
    assert (rejected["names"], rejected["count"], rejected["lists"], rejected["replay"]) == (2, 8, 2, True)
    assert (rejected["first"], rejected["last"]) == ("1970-01-01T00:00:01Z", "1970-01-01T00:00:09Z")
    assert (
        rejected["hint"]
        == "For 5 of these, the API accepted other events of the same user, so the user and the key are fine."
    )
    assert rejected["command"] == "forwarder dead list --reason rejected --status 400 --newest --limit 20"
    assert (invalid["names"], invalid["count"], invalid["replay"], invalid["hint"]) == (0, 2, False, "")


def test_with_the_token_groups_are_by_name() -> None:
    found = Latest(lists=LISTS, counts=(None, None))
    shown: Any = shown_letters.revealed(found, 10, None)
    assert [(each["name"], each["count"], each["lists"]) for each in shown["groups"]] == [
        ("s3cr3t", 7, 2),
        (None, 2, 1),
        ("visit", 1, 1),
    ]
    assert shown["groups"][0]["command"].endswith("--status 400 --name s3cr3t --newest --limit 20")


def test_an_explanation_that_names_members_is_of_a_group_that_only_the_token_shows() -> None:
    found = Latest(lists=LISTS, counts=(None, None))
    examples = {each.id: Example("1-0", "`s3cr3t` is odd") for each in found.by_name}
    shown = shown_letters.hidden(replace(found, examples=examples), 10, None)
    assert "s3cr3t" not in str(shown)


def test_a_name_that_was_cut_or_that_a_shell_reads_is_no_part_of_a_command_as_it_is() -> None:
    names = ("x" * 197 + "…", "it's $HOME", "\ufffd")
    cut, odd, strange = by_name([Groups(tuple(group(name, 9 - n, 1) for n, name in enumerate(names)))])
    assert cut.options == strange.options == ("--reason rejected", "--status 400")
    assert odd.options[-1] == """--name 'it'"'"'s $HOME'"""


def one(name: str | None, reason: str = "rejected", status: str = "400") -> Group:
    return Group(reason, status, name, 1, 3, 0, "1-0", "3-0")


@pytest.mark.parametrize(
    ("found", "alone", "which"),
    [
        (one("visit"), False, {"reason": "rejected", "status": "400", "name": "visit"}),
        (one(None), True, {"reason": "rejected", "status": "400"}),
        (one(None), False, None),
        (one("a very long na…"), False, None),
        (one("a very long na…"), True, {"reason": "rejected", "status": "400"}),
        (one("visit", reason="tuesday"), True, None),
        (one("visit", status="other"), True, None),
        (one("visit", status=""), False, {"reason": "rejected", "status": "", "name": "visit"}),
    ],
)
def test_an_action_selects_the_letters_of_its_group_and_no_others(
    found: Group,
    alone: bool,  # noqa: FBT001
    which: dict[str, str] | None,
) -> None:
    assert shown_letters.selects(found, alone=alone) == which
