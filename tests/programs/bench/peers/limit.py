"""The limit: no queue, no grouping, no promises; just the POSTs."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import Peer, Run


class Limit(Peer):
    """See the module."""

    name = "limit"
    title = "the limit: bare aiohttp, bodies ready-made"
    groups = True
    part = 30_000
    loses = "everything: it has no queue"

    def load(self, run: Run) -> None:
        run.elements.with_suffix(".pickle").write_bytes(pickle.dumps(run.work.posts))

    def command(self, run: Run) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.programs.bench.peers.limit_worker"]

    def release(self, run: Run, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGUSR2)
