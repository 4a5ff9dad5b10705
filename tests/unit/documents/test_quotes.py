"""What the pages quote of the program's output and log is what the program says."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.documents import REFERENCE, ROOT, code, fenced
from tests.support.incidents.runbook import RUNBOOK

#: What Redis, the operating system and redis-cli say.
NOT_OURS = re.compile(r"[A-Z]+|-?\d+|no permissions")


def _texts() -> Iterator[str]:
    """Every text in the code, formatted strings piece by piece, and every name, as the output may show it."""
    for path in sorted((ROOT / "forwarder").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(text)) | ast.keyword(arg=str(text)) | ast.Name(id=text):
                    yield text


@cache
def said() -> str:
    return "\n".join(_texts()).lower()


def quotes() -> list[str]:
    """What the bullets of the runbook begin with, an output and what to do about it; and what the log says."""
    page = RUNBOOK.read_text(encoding="utf-8")
    bullets = re.findall(r"^- ((?:`[^`]+`(?:, | or )?)+)", page, re.MULTILINE)
    texts = [text for bullet in bullets for text in code(bullet)] + re.findall(r"the log says `([^`]+)`", page)
    return [text for text in texts if not text.startswith("forwarder ") and not NOT_OURS.fullmatch(text)]


@pytest.mark.parametrize("quote", quotes())
def test_what_the_runbook_quotes_is_said(quote: str) -> None:
    for part in re.split(r"  +| …| \d{3}$", quote):
        assert part.lower() in said(), part


def test_the_runbook_quotes_much() -> None:
    assert len(quotes()) >= 10


def test_the_line_of_each_minute_has_the_words_that_the_reference_shows() -> None:
    (line,) = fenced(REFERENCE.read_text(encoding="utf-8"), "json")
    shown = json.loads(line)
    for word in (*shown, shown["event"], shown["state"]):
        assert word in said(), word
