"""What commands share: options, exit codes, and the form of a time."""

import re
from typing import Annotated

import typer

EXIT_FAILURE, EXIT_USAGE, EXIT_HALTED, EXIT_CONFIGURATION = 1, 64, 77, 78

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration(text: str) -> float:
    """Seconds of a text such as 90s, 30m, 1h30m, 7d."""
    if not re.fullmatch(r"(\d{1,9}(\.\d{1,9})?[smhdw])+", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is no time: give it as 90s, 30m, 2h, 1h30m or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhdw])", text))


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
