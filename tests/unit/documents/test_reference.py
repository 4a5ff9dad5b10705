"""The reference is what the code does: settings, metrics, commands, exit codes, answers, reasons."""

import re
from typing import get_args

import pytest

from forwarder.api.answer import Cause, Meaning, meaning
from forwarder.cli import options
from forwarder.outcome import HaltReason, LetterReason
from tests.programs.reference import PARTS
from tests.support.commands import commands
from tests.support.documents import REFERENCE, between_marks, cells, code

PAGE = REFERENCE.read_text(encoding="utf-8")


def table(name: str) -> list[list[str]]:
    return cells(between_marks(PAGE, name))


@pytest.mark.parametrize("name", PARTS)
def test_every_setting_and_metric_stands_there_as_the_code_describes_it(name: str) -> None:
    assert between_marks(PAGE, name) == PARTS[name](), "write it anew with: python -m tests.programs.reference"


def test_a_setting_has_its_default_and_a_metric_its_labels_and_type() -> None:
    found = {row[0]: row[1] for name in PARTS for row in table(name)}
    assert found["`FORWARDER_RATE_LIMIT`"] == "`120`"
    assert found["`FORWARDER_API_KEY`"] == "-"
    assert found["`FORWARDER_BISECT`"] == "`true`"
    assert found["`forwarder_posts_total{status}`"] == "counter"
    assert found["`forwarder_dead_letters`"] == "gauge"
    assert found["`forwarder_post_events`"] == "histogram"


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_explained(command: str) -> None:
    rows = re.findall(r"^\| `forwarder .*$", PAGE, re.MULTILINE)
    assert len([row for row in rows if f"{code(row)[0]} ".startswith(f"{command} ")]) == 1


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    constants = {value for name, value in vars(options).items() if name.startswith("EXIT_")}
    assert {int(code(row[0])[0]) for row in table("exit-codes")} == constants | {0, 130}


def status_meanings() -> dict[int, str]:
    """What the table of answers says of every status; a status that is named counts before its class."""
    named: dict[int, str] = {}
    by_class: dict[str, str] = {}
    for answers, what, _ in table("answers"):
        for answer in code(answers):
            if answer.endswith("xx"):
                by_class[answer[0]] = what.strip("`")
            else:
                named[int(answer)] = what.strip("`")
    return {status: named.get(status) or by_class[str(status)[0]] for status in range(200, 600)}


def test_every_status_has_the_meaning_that_the_table_of_answers_gives_it() -> None:
    meant = {status: meaning(status) or "accepted" for status in range(200, 600)}
    assert status_meanings() == meant


def test_every_meaning_has_a_row() -> None:
    rows = [row[1] for row in table("answers")]
    assert sorted(rows) == sorted([*(f"`{what}`" for what in Meaning), "accepted", "unanswered", "unreadable"])


def test_every_cause_has_a_row() -> None:
    assert [row[0] for row in table("causes")] == [f"`{cause}`" for cause in get_args(Cause)]


@pytest.mark.parametrize(("name", "reasons"), [("halts", HaltReason), ("letters", LetterReason)])
def test_every_reason_has_a_row(name: str, reasons: type[HaltReason | LetterReason]) -> None:
    assert [row[0] for row in table(name)] == [f"`{reason}`" for reason in reasons]
