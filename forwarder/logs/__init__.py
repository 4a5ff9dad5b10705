"""The log: one JSON object per line, or human-readable lines, and never a secret.

setup         configures structlog and the standard library's logging
redaction     replaces secrets
writer        writes lines in a thread of its own, and counts those that cannot be written
printable     text that people read in a terminal: safe to print, and with numbers that agree with their nouns
journal       the priority of each line in the journal of systemd
repeats       drops repeated lines and counts them
"""

from typing import Literal

#: How a line is written. It is here because settings use it, and must not load structlog for that.
Format = Literal["json", "console"]
