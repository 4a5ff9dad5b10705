"""Running the stand-in API as a program of its own."""

import asyncio
import signal
import sys
from pathlib import Path

from pydantic import ValidationError

from forwarder.cli import output as show
from forwarder.errors import ConfigurationError, PortInUseError
from forwarder.simulator import Faults, Simulator


async def serve(
    host: str, port: int, api_key: str, *, faults: Path | None, seed: int, until_stdin_ends: bool = False
) -> None:
    """Serves until SIGTERM or SIGINT, or until standard input ends: when whoever holds its other end is gone.

    Raises:
        ConfigurationError: the file of faults cannot be read, or says something that is no fault.
        PortInUseError: the address cannot be had.
    """
    simulator = Simulator(api_key, faults=_load(faults), seed=seed, keep_requests=False)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if until_stdin_ends:
        asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    try:
        await simulator.start(host, port)
    except OSError as error:
        raise PortInUseError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        show.simulating(simulator.url)
        await stop.wait()
    finally:
        await simulator.stop()


def _load(file: Path | None) -> Faults:
    if file is None:
        return Faults()
    try:
        return Faults.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError([f"--faults: cannot read {file}: {error.strerror}"]) from error
    except ValidationError as error:
        raise ConfigurationError(
            [f"--faults: {'.'.join(map(str, problem['loc'])) or file}: {problem['msg']}" for problem in error.errors()]
        ) from error
