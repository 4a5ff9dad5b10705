"""The command line: subcommands and exit codes, nothing else.

Exit codes (the words of BSD's sysexits where it has one): 0 done, 1 failure, 64 usage, 77 halted,
78 configuration.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from forwarder import __version__, config
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.cli import output as show
from forwarder.cli import reshard
from forwarder.cli.dead import commands as dead
from forwarder.cli.ndjson import Lines, push
from forwarder.cli.options import (
    EXIT_CONFIGURATION,
    EXIT_FAILURE,
    EXIT_HALTED,
    EXIT_USAGE,
    Json,
    lists_of,
    run_to_end,
)
from forwarder.cli.simulate import serve
from forwarder.demo import demo
from forwarder.errors import ConfigurationError, ExitOnHaltError, ForwarderError
from forwarder.logs import setup as logs
from forwarder.logs.redaction import hide
from forwarder.monitor.systemd import Systemd
from forwarder.operations.resume import end_halt
from forwarder.operations.status import check, survey
from forwarder.producer import Producer
from forwarder.retry import patiently
from forwarder.service import Service

#: Objects made and not freed that call for a collection; with Python's 700 a worker spends a fifth of its time on it.
_GARBAGE = 20_000

app = typer.Typer(
    name="forwarder",
    help="Drains user events from a Redis list into batched POSTs to the Carnival API.\n\n"
    "Settings are FORWARDER_… environment variables: see deploy/reference.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dead.app, name="dead")
app.command("reshard")(reshard.reshard)


@app.command()
def run(
    log_format: Annotated[
        logs.Format | None, typer.Option(help="json, or console for eyes; without it FORWARDER_LOG_FORMAT decides.")
    ] = None,
) -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = config.load()
    logs.configure(log_format or settings.log_format, settings.log_level)
    for secret in config.secrets(settings):
        hide(secret)
    _leave_garbage_be()
    run_to_end(Service(settings, systemd=Systemd(os.environ)).run())


def _leave_garbage_be() -> None:
    """Looks for cycles seldom, and never in what was imported: nearly everything is freed without."""
    gc.freeze()
    gc.set_threshold(_GARBAGE)


@app.command("push")
def push_command(
    file: Annotated[Path, typer.Argument(help="NDJSON, also gzipped; - is standard input.")] = Path("-"),
) -> None:
    """Push events, one JSON object a line. Lines that are no events are named and skipped (exit 1)."""
    settings = config.load()

    async def work() -> int:
        with show.lines(file) as (stream, progress), Lines(stream) as lines:
            async with _producer(settings) as producer:
                pushed = await push(lines, producer, wrong=show.WrongLines(), progress=progress)
        show.pushed(pushed, settings.queue)
        if lines.stopped is not None:
            show.stopped(lines)
            return 128 + lines.signal if lines.signal else EXIT_FAILURE  # as a shell says it of a signal
        return EXIT_FAILURE if pushed.wrong else 0

    raise typer.Exit(run_to_end(work()))


def _producer(settings: config.Settings) -> Producer:
    return Producer(
        settings.redis_url.get_secret_value(),
        queue=settings.queue,
        shards=settings.shards,
        consume_from=settings.consume_from,
        max_event_bytes=int(settings.max_event_bytes),
    )


@app.command("status")
def status_command(*, as_json: Json = False) -> None:
    """Show what waits, what is claimed, who owns the list, and whether it is halted (then exit 77)."""
    settings = config.load()

    async def work() -> int:
        async with lists_of(settings) as lists:
            found = await survey(lists)
        show.status(found, settings.queue, as_json=as_json)
        return EXIT_HALTED if found["halt"] else 0

    raise typer.Exit(run_to_end(work()))


@app.command()
def audit(*, as_json: Json = False) -> None:
    """Check from Redis alone that every event that was ever claimed is accounted for (else exit 1)."""
    settings = config.load()

    async def work() -> int:
        async with lists_of(settings) as lists:
            found = dict(zip(lists.names, await patiently(lists.censuses), strict=True))
        show.audit(found, settings.queue, as_json=as_json)
        return EXIT_FAILURE if any(census.imbalance for census in found.values()) else 0

    raise typer.Exit(run_to_end(work()))


@app.command("check")
def check_command(*, as_json: Json = False) -> None:
    """Check the settings, Redis, and whether the API answers and takes the key. Sends no event."""
    settings = config.load()

    async def work() -> int:
        async with lists_of(settings, agree=False) as lists:
            if settings.api_key is None and settings.api_key_file is None:
                findings = [finding async for finding in check(settings, lists, None)]
            else:
                async with Api.from_settings(settings, Credentials.from_settings(settings)) as api:
                    findings = [finding async for finding in check(settings, lists, api)]
        show.findings(findings, as_json=as_json)
        return EXIT_FAILURE if any(finding.grade == "failure" for finding in findings) else 0

    raise typer.Exit(run_to_end(work()))


@app.command()
def resume(
    *,
    allow_refusals: Annotated[
        int, typer.Option(min=0, help="Let so many refusals through before the dead-letter brake counts again.")
    ] = 0,
) -> None:
    """End a halt: workers go on within seconds."""
    settings = config.load()

    async def work() -> None:
        async with lists_of(settings) as lists:
            show.resumed(await end_halt(lists, allow_refusals=allow_refusals))

    run_to_end(work())


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


@app.command()
def simulate(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8080,
    api_key: Annotated[str, typer.Option(help="The only key that is accepted.")] = "demo-key",
    faults: Annotated[
        Path | None, typer.Option(help="JSON file of scripted faults; see also GET and PUT /faults.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the dice that faults throw.")] = 0,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Stand in for the Carnival API: strict, with a ledger (GET /ledger) and scripted faults."""
    run_to_end(serve(host, port, api_key, faults=faults, seed=seed, until_stdin_ends=until_stdin_ends))


@app.command("demo")
def demo_command(
    *,
    events: Annotated[int, typer.Option(min=1, help="How many of the 69,659 purchases to send.")] = demo.ALL_EVENTS,
    faults: Annotated[bool, typer.Option("--faults", help="With an API that fails, and bad events.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Send a shop's real purchases through an embedded Redis and the stand-in API, and check every one."""
    raise typer.Exit(run_to_end(demo.run(events=events, faults=faults, keep=keep)))


def _only(error: BaseException) -> BaseException:
    """The one error within groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explained(error: BaseException) -> int:
    """Says what a person can mend, and returns the exit code; raises anything else again."""
    match error:
        case TyperException():
            show.problem(error.format_message())
            return EXIT_USAGE
        case ConfigurationError():
            for problem in error.problems:
                show.problem(problem)
            return EXIT_CONFIGURATION
        case ExitOnHaltError():
            show.problem(str(error))
            return EXIT_HALTED
        case ForwarderError():
            show.problem(str(error))
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
    """Entry point of the ``forwarder`` command; no traceback for what a person can mend."""
    _keep_standard_descriptors()
    try:
        code = app(standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - what is not explained is raised again
        logs.hide_in_tracebacks()  # not before: typer sets a hook of its own
        code = _explained(_only(error))
    sys.exit(code)
