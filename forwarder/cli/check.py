"""`forwarder check`."""

from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.text import Text

from forwarder import config
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.cli.connection import queue_of
from forwarder.cli.options import EXIT_FAILURE, Json
from forwarder.cli.output import as_line, say
from forwarder.logs.printable import visible
from forwarder.operations.check import Finding, examine
from forwarder.runtime import loop


def check(*, as_json: Json = False) -> None:
    """Check the settings, Redis and the API.

    Sends no event. The exit code is 1 if the service could not work.
    """
    settings = config.load()

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


def _print(findings: Sequence[Finding]) -> None:
    marks = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "failure": ("failure", "bold red")}
    for finding in findings:
        mark, style = marks[finding.grade]
        say(Text(mark, style).append(visible(f" {finding.what}: {finding.detail}"), "default"))
