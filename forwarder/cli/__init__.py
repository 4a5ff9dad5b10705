"""The command line: one module per command, each with its output.

app           the commands, and what an error means for the exit code
run           `forwarder run`
push          `forwarder push`
once          `forwarder push --once`
missing       pushes what earlier runs have not pushed of a file
ndjson        pushes lines of NDJSON
reading       reads batches of lines until the input ends or a signal arrives
lines         unpacks input and cuts it into lines
status        `forwarder status`
layout        sentences and tables as lines, for a terminal of any width
check         `forwarder check`
audit         `forwarder audit`
pause         `forwarder pause`
resume        `forwarder resume`
retry         `forwarder retry`
dead          `forwarder dead …`
reshard       `forwarder reshard`
simulate      `forwarder simulate`
demo          `forwarder demo`
lazy          imports a command when it runs
usage         what is wrong with a command line, in words
options       options and exit codes that commands share
connection    opens the settings' queue
output        prints for people and scripts
streams       standard output and standard error that never end a command in a traceback
progress      the progress bar
"""

from forwarder.cli.app import main

__all__ = ["main"]
