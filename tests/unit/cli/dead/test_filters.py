"""What an exported dead letter looks like, and which letters a filter means."""

from dataclasses import fields
from inspect import signature

import pytest
import typer

from forwarder.cli.dead.filters import must_be_clear, must_be_possible, with_filter
from forwarder.cli.options import duration
from forwarder.dead_letters.letter import line, order, summary
from forwarder.dead_letters.selection import Filter
from forwarder.errors import InvalidElementError
from forwarder.logs.printable import visible
from forwarder.queue.letters import DeadLetter


def letter(element: bytes) -> DeadLetter:
    return DeadLetter("1700000000000-0", element, "rejected", "400", "", "u", 1_700_000_000_000_000, 1)


def test_an_event_without_a_date_is_exported_with_that_of_its_claim() -> None:
    found = line(letter(b'{"user_id":"u","name":"x"}'), 1_000)
    assert found == b'{"user_id":"u","name":"x","date":"2023-11-14T22:13:20Z"}'


def test_an_event_that_its_date_makes_too_long_is_not_exported() -> None:
    element = b'{"user_id":"u","name":"x"}'
    with pytest.raises(InvalidElementError, match="too long: 56 bytes"):
        line(letter(element), 55)


def test_an_event_over_several_lines_is_exported_as_one() -> None:
    element = b'\r\n{"user_id":"u",\r\n\t"name":"a\\nb",\n"date":"2020-01-01"}\n'
    assert line(letter(element), 1_000) == b'{"user_id":"u",  \t"name":"a\\nb", "date":"2020-01-01"}'


@pytest.mark.parametrize("element", [b"\xff", b"{}", b'{"user_id":"u"}', b'{"user_id":"u","name":"a\nb"}'])
def test_what_is_no_event_is_not_exported(element: bytes) -> None:
    with pytest.raises(InvalidElementError):
        line(letter(element), 1_000)


@pytest.mark.parametrize(
    ("which", "matches"),
    [
        (Filter(), True),
        (Filter(reason="rejected", status="400", user="u", name="é"), True),
        (Filter(reason="invalid"), False),
        (Filter(status="404"), False),
        (Filter(user="v"), False),
        (Filter(name="e"), False),
    ],
)
def test_a_filter_matches_what_is_as_it_says(which: Filter, *, matches: bool) -> None:
    assert which.matches(letter('{"user_id":"u","name":"é"}'.encode())) == matches
    assert which.matches(letter(b'{"user_id":"u","name":"\\u00e9"}')) == matches


@pytest.mark.parametrize("element", [b"\xff", b"{}", b'{"name":5}', b"[" * 1_000, b'{"name":"\\ud83d"}'])
def test_an_element_whose_name_cannot_be_read_has_none(element: bytes) -> None:
    assert not Filter(name="x").matches(letter(element))
    assert summary(letter(element))["name"] is None


def test_ages_are_times_between_ids() -> None:
    assert Filter(older=2.0, newer=5.0).span(10_000) == ("5000", "8000")
    assert Filter().span(0) == ("-", "+")
    assert Filter(older=1e15, newer=1e15).span(10) == ("0", "0")


def test_ids_are_numbers_not_text() -> None:
    assert sorted(["10-0", "9-1", "9-10", "9-2"], key=order) == ["9-1", "9-2", "9-10", "10-0"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1.5h", 5_400), ("1h30m", 5_400), ("7d", 604_800), ("1w", 604_800)],
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "soon", "-5m", "5 m", "1e3s", "٣s", "m", "1.s", "inf", "9" * 400 + "s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


@pytest.mark.parametrize(
    ("ids", "which", "every"),
    [
        (None, Filter(), False),
        (["1-0"], Filter(), True),
        (["1-0"], Filter(limit=1), False),
        (["1"], Filter(), False),
        (["01-0"], Filter(), False),
        (["+"], Filter(), False),
        (["99999999999999999999-0"], Filter(), False),
        (None, Filter(reason="bad"), False),
        (None, Filter(older=5.0, newer=5.0), True),
    ],
)
def test_it_must_be_clear_which_letters_are_meant(ids: list[str] | None, which: Filter, *, every: bool) -> None:
    with pytest.raises(typer.BadParameter):
        must_be_clear(ids, which, every=every)


def test_a_filter_that_can_match_is_let_through() -> None:
    for which in (Filter(reason="invalid"), Filter(older=1.0, newer=2.0), Filter()):
        must_be_possible(which)
    must_be_clear(["1-0"], Filter(), every=False)


def test_a_command_with_a_filter_has_an_option_for_each_of_its_members_and_gets_one_filter() -> None:
    found: list[tuple[str, Filter, bool]] = []

    @with_filter
    def command(letter_id: str, *, which: Filter, dry_run: bool = False) -> None:
        """Helps."""
        found.append((letter_id, which, dry_run))

    options = [each.name for each in fields(Filter)]
    assert list(signature(command).parameters) == ["letter_id", *options, "dry_run"]
    app = typer.Typer()
    app.command()(command)
    app(
        ["1-0", "--reason", "invalid", "--older", "2h", "--limit", "3", "--user", "u", "--dry-run"],
        standalone_mode=False,
    )
    app(["1-0"], standalone_mode=False)
    assert found == [
        ("1-0", Filter(reason="invalid", older=7_200.0, limit=3, user="u"), True),
        ("1-0", Filter(), False),
    ]


def test_nothing_that_is_shown_moves_the_cursor() -> None:
    assert visible("a\x1b[31m\r\nb\u202e\x9bé") == "a\\x1b[31m\\r\\nb\\u202e\\x9bé"
