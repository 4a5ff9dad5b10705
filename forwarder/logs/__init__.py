"""The log: one JSON object a line, or readable on a terminal; and no secret in it.

setup         configures structlog and the standard library's logging
redaction     replaces secrets
printable     text as a terminal may show it
repeats       counts lines that repeat, instead of writing them
"""
