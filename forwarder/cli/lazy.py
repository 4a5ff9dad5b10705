"""Groups of commands that are imported when they run, not before: so a command imports only what it uses."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from forwarder.cli.options import EXIT_USAGE


def lazy_group(commands: Mapping[str, tuple[str, str] | None]) -> type[TyperGroup]:
    """A kind of group that imports the module of a command only to run it, or to show the command's own help.

    Without a command it prints its help and ends as wrong usage does.

    Args:
        commands: by name, in the order in which help lists them: the function, as ``module:function``, and its line
            of help; None for a group that is added with ``add_typer``.
    """

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            groups = self.commands
            self.commands = {
                name: TyperCommand(name, help=lazy[1]) if lazy else groups[name] for name, lazy in commands.items()
            }

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if not args:
                typer.echo(ctx.get_help())
                raise typer.Exit(EXIT_USAGE)
            return super().parse_args(ctx, args)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            lazy = commands[args[0]]
            return name, _imported(lazy[0]) if lazy else command, rest

    return LazyGroup


def _imported(function: str) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(resolve_name(function))
    return typer.main.get_command(app)
