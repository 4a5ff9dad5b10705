"""`forwarder check`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from forwarder import config
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_FAILURE, Json
from forwarder.cli.output import as_line, say
from forwarder.config import Settings
from forwarder.errors import InvalidElementError
from forwarder.logs.printable import visible
from forwarder.operations import send_as as sending
from forwarder.operations.check import Finding, examine
from forwarder.runtime import loop

SendAs = Annotated[
    str | None,
    typer.Option(
        "--send-as",
        metavar="USER",
        help="Send one event named forwarder-check as this user, and nothing else. Use a test user: it stays in the "
        "user's history. Exit code 1 unless the API answers 202.",
    ),
]


def check(*, send_as: SendAs = None, as_json: Json = False) -> None:
    """Check the settings, Redis and the API.

    Sends no event, unless --send-as is given. The exit code is 1 if the service could not work.
    """
    settings = config.load()
    if send_as is not None:
        raise typer.Exit(loop.run(_send(settings, send_as, as_json=as_json)))

    async def work() -> int:
        async with queue_of(settings, agree=False) as queue:
            if settings.api_key is None and settings.api_key_file is None:
                findings = [finding async for finding in examine(settings, queue, None)]
            else:
                async with Api.from_settings(settings, Credentials.from_settings(settings)) as api:
                    findings = [finding async for finding in examine(settings, queue, api)]
        if as_json:
            as_line([asdict(finding) for finding in findings])
        else:
            _print(findings)
        return EXIT_FAILURE if any(finding.grade == "failure" for finding in findings) else 0

    raise typer.Exit(loop.run(work()))


async def _send(settings: Settings, user: str, *, as_json: bool) -> int:
    """Proves the key, the address, the proxy and the certificates, without Redis. Returns the exit code."""
    credentials = Credentials.from_settings(settings)
    async with Api.from_settings(settings, credentials) as api:
        try:
            proof = await sending.send_as(user, settings, credentials, api)
        except InvalidElementError as error:
            raise typer.BadParameter(f"--send-as: {error}; example: --send-as a-test-user") from None
    if as_json:
        as_line(asdict(proof))
    else:
        event = f"{proof.name} of {proof.date} as {proof.user}: {proof.detail}"
        _print([Finding("way", "ok", proof.way), Finding("event", "ok" if proof.accepted else "failure", event)])
    return 0 if proof.accepted else EXIT_FAILURE


def _print(findings: Sequence[Finding]) -> None:
    marks = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "failure": ("failure", "bold red")}
    for finding in findings:
        mark, style = marks[finding.grade]
        say(Text(mark, style).append(visible(f" {finding.what}: {finding.detail}"), "default"))
