"""The commands that the program has."""

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from forwarder.cli import app as cli


def commands() -> Iterator[str]:
    """Each command in full, such as ``forwarder dead list``."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from (f"forwarder {name} {inner}" for inner in command.commands)
        else:
            yield f"forwarder {name}"
