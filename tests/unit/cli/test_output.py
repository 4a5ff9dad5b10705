"""Sentences on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from forwarder.cli.output import say

URL = "redis://redis.internal.example.com:6379/0"
SENTENCE = f"Redis at {URL} refused the connection. Is it running? Look there first (FORWARDER_REDIS_URL)"


def said(*, terminal: bool, width: int) -> str:
    stream = io.StringIO()
    say(
        Text("failure", "red").append(f" {SENTENCE}"),
        Console(file=stream, force_terminal=terminal, width=width, no_color=True),
    )
    return stream.getvalue()


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_a_terminal_gets_lines_that_end_between_words(width: int) -> None:
    plain = Text.from_ansi(said(terminal=True, width=width)).plain
    assert plain.split() == ["failure", *SENTENCE.split()]
    assert all(len(line) <= width or len(line.split()) == 1 for line in plain.splitlines())


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_anything_else_gets_one_line(width: int) -> None:
    assert said(terminal=False, width=width) == f"failure {SENTENCE}\n"
