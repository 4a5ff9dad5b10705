"""The ``forwarder`` command: its subcommands, and the exit code of each kind of error.

Exit codes (as in BSD's sysexits where it has one): 0 done, 1 failure, 64 usage, 77 halted, 78 configuration.
"""

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer
from typer.exceptions import TyperException

from forwarder import __version__
from forwarder.cli import streams
from forwarder.cli.lazy import lazy_group
from forwarder.cli.options import EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_HALTED, EXIT_USAGE
from forwarder.errors import (
    ConfigurationError,
    ExitOnHaltError,
    ForwarderError,
    ReaderGoneError,
)
from forwarder.logs.redaction import hidden

#: In the order in which a newcomer needs them.
_COMMANDS = {
    "demo": ("forwarder.cli.demo:demo", "Forward a shop's purchases, and check every event."),
    "check": ("forwarder.cli.check:check", "Check the settings, Redis and the API."),
    "run": ("forwarder.cli.run:run", "Run the service until a signal stops it."),
    "push": ("forwarder.cli.push:push", "Push events, one JSON object per line."),
    "status": ("forwarder.cli.status.command:status", "Show what is wrong, the backlog, and who works on it."),
    "pause": ("forwarder.cli.pause:pause", "Pause all workers until you resume, or for a time."),
    "resume": ("forwarder.cli.resume:resume", "End a pause or a halt."),
    "retry": ("forwarder.cli.retry:retry", "Try now: end the pause of an outage and every backoff."),
    "dead": None,
    "audit": ("forwarder.cli.audit:audit", "Check that every claimed event is accounted for."),
    "reshard": ("forwarder.cli.reshard:reshard", "Change how many lists the queue has."),
    "simulate": ("forwarder.cli.simulate:simulate", "Stand in for the Carnival API."),
}
_DEAD_COMMANDS = {
    "summary": (
        "forwarder.cli.dead.summary:dead_summary",
        "Group dead letters by cause, with an example and the next command.",
    ),
    "list": ("forwarder.cli.dead.commands:dead_list", "List dead letters, oldest first."),
    "show": ("forwarder.cli.dead.commands:dead_show", "Show one dead letter, and what is likely wrong with it."),
    "replay": ("forwarder.cli.dead.replay:dead_replay", "Push dead letters again, oldest first."),
    "export": ("forwarder.cli.dead.commands:dead_export", "Write dead letters as NDJSON, to standard output."),
    "delete": ("forwarder.cli.dead.commands:dead_delete", "Delete dead letters for good."),
}
app = typer.Typer(
    name="forwarder",
    cls=lazy_group(_COMMANDS),
    help="Forward user events from a Redis list to the Carnival API, in batches.\n\n"
    "Settings are environment variables named FORWARDER_…; see deploy/reference.md.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(
    typer.Typer(cls=lazy_group(_DEAD_COMMANDS), help="List, explain, replay and delete dead letters."), name="dead"
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer passes it by position
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
    """The error inside exception groups that hold one error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explained(error: BaseException) -> int:
    """Prints what a person can fix, and any other error as a traceback without secrets. Returns the exit code."""
    from forwarder.cli.output import problem, with_remedy  # noqa: PLC0415 - loads rich, which --help does not need

    match error:
        case SystemExit(code=int(code)):
            return code
        case ReaderGoneError():
            return EXIT_FAILURE  # nobody would read why
        case TyperException():
            from forwarder.cli.usage import explained  # noqa: PLC0415 - loads the settings, which --help does not need

            problem(explained(error))
            return EXIT_USAGE
        case ConfigurationError():
            for each in error.problems:
                problem(each)
            return EXIT_CONFIGURATION
        case ExitOnHaltError():
            problem(str(error))
            return EXIT_HALTED
        case ForwarderError():
            problem(with_remedy(error))
            return EXIT_FAILURE
        case KeyboardInterrupt() | typer.Abort():
            return 130  # the code that a shell reports for SIGINT
    sys.stderr.write(hidden("".join(traceback.format_exception(error))))
    return EXIT_FAILURE


def main() -> None:
    """The ``forwarder`` command. What a person can fix gives no traceback."""
    streams.set_up()
    code = _ended(lambda: app(standalone_mode=False))
    sys.exit(_ended(streams.finish) or code)


def _ended(work: Callable[[], int | None]) -> int:
    """The exit code of what was done."""
    try:
        return work() or 0
    except BaseException as error:  # noqa: BLE001 - each has an exit code
        return _explained(_only(error))
