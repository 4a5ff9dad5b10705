"""`forwarder simulate`: the stand-in API as a program of its own."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from forwarder.errors import ConfigurationError, PortInUseError
from forwarder.runtime import signals
from forwarder.simulator import Faults, Simulator, problems

#: Printed below the options as they are: the shell's lines fit into 60 columns.
EXAMPLES = """
\b
Faults are members of one JSON object; they combine:
  {"statuses": [{"status": 503, "rate": 0.05}]}
      5 % of the POSTs are answered 503
  {"status_all": {"status": 429, "retry_after": 5}}
      every request is answered 429, Retry-After: 5
  {"users": {"u-1": {"status": 500, "times": 3}}}
      the first three POSTs of user u-1 are answered 500
  {"refuse": [{"name": "bad"}]}
      400 for every POST with an event of this name
  {"outage": {"after": 10, "for": 30, "mode": "refuse"}}
      after 10 s, no connection is accepted for 30 s
  {"hang_rate": 0.1, "latency": 0.5}
      10 % get no answer; all others get it after 0.5 s
  {"reset_after_rate": 0.02}
      2 % are accepted, and their answers are lost
  {"max_rate": 120, "rate_retry_after": 1}
      more than 120 POSTs in a second are answered 429

\b
From a file, or at any time over HTTP:
  forwarder simulate --faults faults.json
  curl -X PUT -d '{"hang_rate": 0.1}' \\
      http://127.0.0.1:8080/faults
  curl -s 'http://127.0.0.1:8080/ledger?summary=1'

All faults are in deploy/simulator.md.
"""


def simulate(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port to listen on; 0 picks a free one.", min=0, max=65535)
    ] = 8080,
    api_key: Annotated[str, typer.Option(metavar="KEY", help="The only API key that is accepted.")] = "demo-key",
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file with scripted faults; see also GET and PUT /faults.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random faults.")] = 0,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Stand in for the Carnival API.

    Checks requests strictly, records accepted events (GET /ledger), and fails as scripted (PUT /faults).
    """
    simulator = Simulator(api_key, faults=_load(faults), seed=seed, keep_requests=False)
    asyncio.run(_serve(simulator, host, port, until_stdin_ends=until_stdin_ends))


async def _serve(simulator: Simulator, host: str, port: int, *, until_stdin_ends: bool) -> None:
    """Serves until a signal; with `until_stdin_ends`, also until the program at its standard input is gone.

    Raises:
        PortInUseError: the address is taken.
    """
    stop = asyncio.Event()
    for number in signals.ending():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if until_stdin_ends:
        asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    try:
        await simulator.start(host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise PortInUseError(f"cannot listen on {host}:{port}: {why}; choose another --host or --port") from error
    try:
        sys.stdout.write(f"the stand-in API listens on {simulator.url} (GET /ledger?summary=1, PUT /faults)\n")
        sys.stdout.flush()  # the demo and tests wait for this line
        await stop.wait()
    finally:
        await simulator.stop()


def _load(file: Path | None) -> Faults:
    """The faults in a file.

    Raises:
        ConfigurationError: the file cannot be read, or holds something that is not a fault.
    """
    if file is None:
        return Faults()
    try:
        return Faults.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError([f"--faults: cannot read {file}: {error.strerror or error}"]) from error
    except ValidationError as error:
        raise ConfigurationError([f"--faults: {file}: {problem}" for problem in problems(error)]) from error
