"""Groups of commands that are imported when they run, not before: so a command imports only what it uses."""

import difflib
import sys
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from forwarder.cli.options import EXIT_USAGE


class _InFull:
    """Its line in the list of commands is wrapped, not cut off."""

    help: str | None

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - typer's own would end with dots there
        return (self.help or "").partition("\n")[0]


class _Command(_InFull, TyperCommand):
    """Stands for a command that is not imported yet."""


def lazy_group(commands: Mapping[str, tuple[str, str] | None]) -> type[TyperGroup]:
    """A kind of group that imports the module of a command only to run it, or to show the command's own help.

    Without a command it prints its help and ends as wrong usage does.

    Args:
        commands: by name, in the order in which help lists them: the function, as ``module:function``, and its line
            of help; None for a group that is added with ``add_typer``.
    """

    class LazyGroup(_InFull, TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            groups = self.commands
            self.commands = {
                name: _Command(name, help=lazy[1]) if lazy else groups[name] for name, lazy in commands.items()
            }

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if not args and not ctx.resilient_parsing:  # which is how a shell asks for the commands
                typer.echo(ctx.get_help())
                raise typer.Exit(EXIT_USAGE)
            return super().parse_args(ctx, args)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            if args[0] not in commands and not ctx.resilient_parsing:
                raise typer.BadParameter(_unknown(args[0], commands, ctx.command_path))
            name, command, rest = super().resolve_command(ctx, args)
            lazy = commands.get(args[0])
            return name, _imported(lazy[0]) if lazy else command, rest

    return LazyGroup


def _unknown(name: str, commands: Mapping[str, object], path: str) -> str:
    close = difflib.get_close_matches(name, commands, 1)
    meant = f"; did you mean {close[0]}" if close else ""
    return f"{name!r} is not a command{meant}; see `{path} --help`"


def _imported(function: str) -> Any:
    command = resolve_name(function)
    #: What the module of a command may have: lines that follow its options in its help, as they are.
    epilog = getattr(sys.modules[command.__module__], "EXAMPLES", None)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(epilog=epilog)(command)
    return typer.main.get_command(app)
