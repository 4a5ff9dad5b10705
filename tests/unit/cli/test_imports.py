"""A command imports only what it uses: checked by name, in a fresh interpreter, so that the command line stays fast."""

import os
import subprocess
import sys
from pkgutil import resolve_name

import pytest
import typer
from typer.core import TyperGroup

from forwarder.cli import app as cli

#: Libraries, and packages of ours, that take long to import or that only some commands use.
HEAVY = {
    "aiohttp",
    "asyncio",
    "msgspec",
    "prometheus_client",
    "pydantic",
    "redis",
    "rich",
    "structlog",
    "tenacity",
    "typer",
    "forwarder.admin",
    "forwarder.api.client",
    "forwarder.dead_letters.edit",
    "forwarder.demo",
    "forwarder.queue",
    "forwarder.service",
    "forwarder.simulator",
    "rich.progress",
    "typer.rich_utils",
}
_PUSH = {"typer", "asyncio", "msgspec", "pydantic", "redis", "rich", "rich.progress", "tenacity", "forwarder.queue"}
_QUEUE = {"typer", "asyncio", "msgspec", "pydantic", "redis", "rich", "tenacity", "forwarder.queue"}
_LETTERS = {*_QUEUE, "rich.progress"}
_SERVICE = {
    *_QUEUE,
    "aiohttp",
    "prometheus_client",
    "structlog",
    "forwarder.admin",
    "forwarder.api.client",
    "forwarder.dead_letters.edit",
    "forwarder.service",
}

IMPORTS = {
    "--help": {"typer"},
    "--version": {"typer"},
    "dead --help": {"typer", "pydantic"},  # typer reads the options in front of a command with pydantic
    "run --help": _SERVICE,
    "push --help": _PUSH,
    "status --help": _QUEUE,
    "check --help": {*_QUEUE, "aiohttp", "forwarder.api.client"},
    "audit --help": _QUEUE,
    "resume --help": _QUEUE,
    "pause --help": _QUEUE,
    "retry --help": _QUEUE,
    "dead summary --help": _LETTERS,
    "dead list --help": _LETTERS,
    "dead show --help": _LETTERS,
    "dead export --help": _LETTERS,
    "dead delete --help": _LETTERS,
    "dead replay --help": {*_LETTERS, "forwarder.dead_letters.edit"},
    "reshard --help": {*_QUEUE, "rich.progress"},
    "simulate --help": {"typer", "asyncio", "aiohttp", "msgspec", "pydantic", "forwarder.simulator"},
    "demo --help": {*_SERVICE, "forwarder.demo", "forwarder.simulator", "rich.progress"},
}

#: One for each set of imports. Each takes an interpreter.
QUICK = {"--help", "run --help", "push --help", "status --help", "check --help", "dead list --help", "simulate --help"}


def imported(arguments: str) -> set[str]:
    """What of `HEAVY` a command imports."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "forwarder", *arguments.split()],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()} & HEAVY


@pytest.mark.parametrize(
    "arguments", [pytest.param(each, marks=() if each in QUICK else pytest.mark.long) for each in IMPORTS]
)
def test_a_command_imports_what_it_uses_and_nothing_else(arguments: str) -> None:
    assert imported(arguments) == IMPORTS[arguments]


def test_every_command_is_looked_at() -> None:
    commands = {*cli._COMMANDS, *(f"dead {name}" for name in cli._DEAD_COMMANDS)}
    assert commands <= {arguments.removesuffix(" --help") for arguments in IMPORTS}


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    order = [
        "demo",
        "check",
        "run",
        "push",
        "status",
        "pause",
        "resume",
        "retry",
        "dead",
        "audit",
        "reshard",
        "simulate",
    ]
    assert list(group.commands) == order
    dead = group.commands["dead"]
    assert isinstance(dead, TyperGroup)
    assert list(dead.commands) == ["summary", "list", "show", "replay", "export", "delete"]


@pytest.mark.parametrize(
    "name", [name for commands in (cli._COMMANDS, cli._DEAD_COMMANDS) for name, lazy in commands.items() if lazy]
)
def test_the_line_that_stands_for_a_command_is_how_its_own_help_begins(name: str) -> None:
    lazy = {**cli._COMMANDS, **cli._DEAD_COMMANDS}[name]
    assert lazy is not None
    function, line = lazy
    assert resolve_name(function).__doc__.startswith(line)
