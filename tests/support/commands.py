"""The commands that the program has."""

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from forwarder.cli import app as cli


def commands() -> Iterator[str]:
    """Each command in full, such as ``forwarder dead list``."""
    yield from _below("forwarder", typer.main.get_command(cli.app))


def _below(name: str, command: object) -> Iterator[str]:
    if not isinstance(command, TyperGroup):
        yield name
        return
    context = typer.Context(command)
    for inner in command.list_commands(context):
        yield from _below(f"{name} {inner}", command.get_command(context, inner))
