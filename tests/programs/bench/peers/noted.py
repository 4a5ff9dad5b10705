"""The forwarder as one of a fleet whose first list has all events. It writes down when each of its POSTs starts."""

import sys
from collections.abc import Sequence
from pathlib import Path

from forwarder.queue.keys import Keys
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import Run


class Noted(ForwarderPeer):
    """With as many lists as workers."""

    def __init__(self, fleet: int) -> None:
        self._fleet = fleet
        self.queue = Keys("events", 0, of=fleet).list

    def command(self, run: Run) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.programs.bench.peers.noted_worker", "run"]

    def environment(self, run: Run) -> dict[str, str]:
        noted = {"FORWARDER_SHARDS": str(self._fleet), "BENCH_STARTS": str(starts(run))}
        return {**super().environment(run), **noted}


def starts(run: Run) -> Path:
    """Seconds of the monotonic clock, one a line."""
    return run.folder / "starts"
