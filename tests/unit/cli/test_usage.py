"""Each wrong command line ends in one line that names the option, the value, and what to write instead."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from forwarder.cli import app as cli
from forwarder.cli import usage
from tests.support.commands import commands

#: What pydantic and typer say, and nobody else would.
LIBRARIES = re.compile(
    r"input should|value error|unable to parse|valid (integer|number|string)|assertion|got unexpected", re.IGNORECASE
)
#: In front of an option, what its command cannot do without.
NEEDED = {"reshard": ["2"], "show": ["1-1"]}


def said(arguments: Sequence[str]) -> str:
    with pytest.raises(typer.TyperException) as raised:
        cli.app(arguments, standalone_mode=False, prog_name="forwarder")
    line = usage.explained(raised.value)
    assert "\n" not in line
    assert not LIBRARIES.search(line), line
    return line


def parameters() -> Iterator[tuple[list[str], Any]]:
    """Each parameter of each command, and how the command is called."""
    for command in commands():
        names = command.split()[1:]
        found: Any = typer.main.get_command(cli.app)
        for name in names:
            context = typer.Context(found)
            assert isinstance(found, TyperGroup)
            _, found, _ = found.resolve_command(context, [name])
        yield from ((names, each) for each in found.params)


#: Those that are numbers, once each. A duration has a form of its own.
NUMBERS = {
    usage.called(each): (names, each)
    for names, each in parameters()
    if each.type_descriptor.annotation in {int, float} and each.type_descriptor.parameter_info.parser is None
}


def given(names: list[str], parameter: Any, value: str) -> list[str]:
    if parameter.param_type_name == "argument":
        return [*names, "--", value]
    return [*names, *NEEDED.get(names[-1], []), f"{parameter.opts[0]}={value}"]


@pytest.mark.parametrize("value", ["ten", "1.5x", "", "-1", "99999", "nan", "a-secret-of-sixteen"])
def test_what_is_not_a_number_or_out_of_bounds_is_quoted_with_an_example(value: str) -> None:
    shown = repr(value) if len(value) < 16 else f"the value ({len(value)} characters, not shown)"
    for name, (names, parameter) in NUMBERS.items():
        if (value == "-1" and parameter.min is None) or (value == "99999" and parameter.max is None):
            continue
        line = said(given(names, parameter, value))
        assert re.fullmatch(rf"{name}: {re.escape(shown)} is .+; example: {usage.example(parameter)}", line)


def test_the_example_of_a_number_is_valid() -> None:
    assert NUMBERS.keys() >= {"--limit", "--port", "--events", "--rate", "N"}
    context = typer.Context(typer.main.get_command(cli.app))
    for _, parameter in NUMBERS.values():
        example = usage.example(parameter)
        assert str(parameter.process_value(context, example)).removesuffix(".0") == example != "0"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("statsu", "'statsu' is not a command; did you mean status; see `forwarder --help`"),
        ("dead lst", "'lst' is not a command; did you mean list; see `forwarder dead --help`"),
        ("nonsense", "'nonsense' is not a command; see `forwarder --help`"),
        ("--", "no command is given; see `forwarder --help`"),
        ("--nope", "--nope is not an option; see `forwarder --help`"),
        ("status --jsno", "--jsno is not an option; did you mean --json; see `forwarder status --help`"),
        ("status --json=yes", "--json takes no value"),
        ("status --every 5", "--every needs --watch"),
        ("status --watch --every often", "--every: 'often' is not a number; example: 5"),
        ("status a b", "unexpected: a b; see `forwarder status --help`"),
        ("simulate --port", "--port needs a value"),
        ("simulate --port 65536", "--port: '65536' is above the maximum of 65535; example: 8080"),
        ("run --log-format xml", "--log-format: 'xml' is not one of 'json', 'console'; example: json"),
        ("reshard", "N is missing; usage: forwarder reshard [OPTIONS] N"),
        ("reshard ten", "N: 'ten' is not an integer; example: 4"),
        ("dead show", "ID is missing; usage: forwarder dead show [OPTIONS] ID"),
        (
            "dead show 1",
            "'1' is not the ID of a dead letter; examples: 1726077863000-0, or with shards 3/1726077863000-0",
        ),
        ("dead list --newer x", "--newer: 'x' is not a duration; examples: 90s, 30m, 2h, 1h30m, 7d"),
        (
            "dead list --reason x",
            "--reason: 'x' is not one of invalid, rejected, too_large, exhausted, erased",
        ),
        ("dead replay", "Choose which dead letters: IDs, a filter such as --reason rejected, or --all"),
        ("dead replay --all --rate inf", "--rate: inf is not a finite number; example: 50"),
        (
            "dead replay --all --set x",
            "--set: 'x' does not have the form name=value; example: name=purchase",
        ),
    ],
)
def test_a_wrong_command_line_is_answered_with_what_to_write(arguments: str, line: str) -> None:
    assert said(arguments.split()) == line
