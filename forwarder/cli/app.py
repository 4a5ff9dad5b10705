"""The ``forwarder`` command: its subcommands, and what an error means for its exit code.

Exit codes (as in BSD's sysexits where it has one): 0 done, 1 failure, 64 usage, 77 halted, 78 configuration.
"""

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from forwarder import __version__
from forwarder.cli.audit import audit
from forwarder.cli.check import check
from forwarder.cli.dead import commands as dead
from forwarder.cli.demo import demo
from forwarder.cli.options import EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_HALTED, EXIT_USAGE
from forwarder.cli.output import problem
from forwarder.cli.push import push
from forwarder.cli.reshard import reshard
from forwarder.cli.resume import resume
from forwarder.cli.run import run
from forwarder.cli.simulate import simulate
from forwarder.cli.status import status
from forwarder.errors import ConfigurationError, ExitOnHaltError, ForwarderError
from forwarder.logs import setup as logs

app = typer.Typer(
    name="forwarder",
    help="Drains user events from a Redis list into batched POSTs to the Carnival API.\n\n"
    "Settings are FORWARDER_… environment variables: see deploy/reference.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, push, status, check, audit, resume, reshard, simulate, demo):
    app.command()(command)
app.add_typer(dead.app, name="dead")


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"forwarder {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _only(error: BaseException) -> BaseException:
    """The one error within groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explained(error: BaseException) -> int:
    """Says what a person can fix, and returns the exit code; raises anything else again."""
    match error:
        case TyperException():
            problem(error.format_message())
            return EXIT_USAGE
        case ConfigurationError():
            for each in error.problems:
                problem(each)
            return EXIT_CONFIGURATION
        case ExitOnHaltError():
            problem(str(error))
            return EXIT_HALTED
        case ForwarderError():
            problem(str(error))
            return EXIT_FAILURE
        case KeyboardInterrupt() | typer.Abort():
            return 130  # what a shell says of a program that SIGINT ended
    raise error


def _keep_standard_descriptors() -> None:
    """Opens what is closed of 0, 1 and 2: a socket must not get the number of standard error."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def main() -> None:
    """Entry point of the ``forwarder`` command; no traceback for what a person can fix."""
    _keep_standard_descriptors()
    try:
        code = app(standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - what is not explained is raised again
        logs.hide_in_tracebacks()  # not before: typer sets a hook of its own
        code = _explained(_only(error))
    sys.exit(code)
