"""The command line: one module per command, each with its output.

app           the commands, their exit codes, and the entry point
reshard       `forwarder reshard`
simulate      `forwarder simulate`
ndjson        reads NDJSON and pushes it, for `forwarder push`
dead          `forwarder dead …`
output        what a person reads in a terminal
options       what commands share: options, and how a command runs
"""

from forwarder.cli.app import main

__all__ = ["main"]
