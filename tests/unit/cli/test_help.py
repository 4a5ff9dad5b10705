"""Help is whole at every width, and a shell completes what help lists."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forwarder.cli import app as cli
from tests.support.commands import commands

WIDTHS = (60, 80, 200)
SHELLS = ("bash", "zsh", "fish")


def helps() -> Iterator[str]:
    """Each command and each group of commands, as it is called with --help."""
    found = {name.removeprefix("forwarder").strip() for name in commands()}
    yield from sorted({"", *found, *(name.rpartition(" ")[0] for name in found)})


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_help_is_wider_than_the_terminal_and_no_word_is_cut(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name in helps():
        cli.app([*name.split(), "--help"], standalone_mode=False, prog_name="forwarder")
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= width, name
        assert "..." not in text.replace("[ARGS]...", "").replace("[ID]...", ""), name
        said = " ".join(text.split())
        for line in _lines(name):
            assert line in said, (name, line)


def _lines(name: str) -> Iterator[str]:
    for group, members in (("", cli._COMMANDS), ("dead", cli._DEAD_COMMANDS)):
        if name == group:
            yield from (lazy[1] for lazy in members.values() if lazy)


def asked(shell: str, typed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the program replies to the script of a shell."""
    words = typed.split(" ")
    given = {
        "_FORWARDER_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.app([], standalone_mode=False, prog_name="forwarder")
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_help_lists(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = asked(shell, "forwarder ", capsys, monkeypatch)
    assert all(name in every for name in cli._COMMANDS)
    some = asked(shell, "forwarder dead re", capsys, monkeypatch)
    assert ("replay" in some, "export" in some) == (True, False)
    options = asked(shell, "forwarder dead replay --ca", capsys, monkeypatch)
    assert ("--canary-timeout" in options, "--rate" in options) == (True, False)
    assert "--" not in asked(shell, "forwarder nonsense re", capsys, monkeypatch)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_that_asks_the_program(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    with pytest.raises(SystemExit):
        cli.app(["--show-completion"], standalone_mode=False, prog_name="forwarder")
    assert f"_FORWARDER_COMPLETE=complete_{shell}" in capsys.readouterr().out


@pytest.mark.long
def test_a_real_bash_takes_the_script_and_completes_with_it() -> None:
    folder = Path(sys.executable).parent
    asking = 'eval "$(forwarder --show-completion)"; COMP_WORDS=(forwarder dead sh); COMP_CWORD=2; '
    bash = asking + '_forwarder_completion forwarder; echo "${COMPREPLY[*]}"; true'
    given = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", bash], env=given, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("show\n", "")
