"""Options and exit codes that commands share, and the form of a duration."""

import re
from typing import Annotated

import typer

EXIT_FAILURE, EXIT_USAGE, EXIT_HALTED, EXIT_CONFIGURATION = 1, 64, 77, 78

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def duration(text: str) -> float:
    """Seconds in a text such as 90s, 30m, 1h30m or 7d.

    Raises:
        typer.BadParameter: the text is not a duration.
    """
    if not re.fullmatch(r"(\d{1,9}(\.\d{1,9})?[smhdw])+", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is not a duration; examples: 90s, 30m, 2h, 1h30m, 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhdw])", text))


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
