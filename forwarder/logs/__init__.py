"""The log: one JSON object a line, or readable on a terminal; and no secret in it.

setup         configures structlog and the standard library's logging
redaction     replaces secrets
stream        a stream that never raises; tracebacks without secrets
printable     text as a terminal may show it
repeats       counts lines that repeat, instead of writing them
"""

from typing import Literal

#: How a line is written. The settings use it, and must not load structlog for it.
Format = Literal["json", "console"]
