"""Sentences and tables fit terminals of any width: no word is cut, no line ends in spaces."""

import pytest
from rich.text import Text

from forwarder.cli.layout import Paper, flow, joined, table, wrapped

STEP = "Put the right key into `/run/secrets/key`. Only if it is right after all: `forwarder resume --allow-refusals 9`"


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_a_sentence_keeps_its_commands_whole(width: int) -> None:
    lines = [line.plain for line in wrapped(Text(STEP), Paper(width), Text("  1. "))]
    assert lines[0].startswith("  1. ")
    assert all(line.startswith("     ") for line in lines[1:])
    assert sum("`forwarder resume --allow-refusals 9`" in line for line in lines) == 1
    assert all(len(line) <= width or line.endswith("9`") or "/run" in line for line in lines)
    assert " ".join(" ".join(lines).split()) == f"1. {STEP}"


def test_a_pipe_gets_a_sentence_in_one_line() -> None:
    assert [line.plain for line in wrapped(Text(STEP), Paper(None), Text("  "))] == [f"  {STEP}"]


def test_a_table_is_aligned_and_no_line_of_it_ends_in_spaces() -> None:
    rows = [["list", "backlog", "owner"], ["events:0", "12", "one"], ["e", "1,000", ""], ["漢字", "3", "two"]]
    lines = [line.plain for line in table([[Text(cell) for cell in row] for row in rows], right=(1,))]
    assert lines == [
        "list      backlog  owner",
        "events:0       12  one",
        "e           1,000",
        "漢字            3  two",  # two columns each
    ]


def test_cells_without_a_table_end_their_lines_between_two_of_them() -> None:
    cells = [Text("state standing by"), Text("version 0.1.0"), Text("lists 2")]
    assert [line.plain for line in flow(cells, Paper(30))] == ["  state standing by,", "  version 0.1.0, lists 2"]
    assert [line.plain for line in flow(cells, Paper(None))] == ["  state standing by, version 0.1.0, lists 2"]
    assert [line.plain for line in flow(cells[:1], Paper(5))] == ["  state standing by"]


def test_an_empty_line_stands_between_two_blocks_and_nowhere_else() -> None:
    blocks = [[], [Text("a")], [], [Text("b"), Text("c")], []]
    assert [line.plain for line in joined(blocks)] == ["a", "", "b", "c"]
