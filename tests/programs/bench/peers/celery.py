"""Celery with its Redis broker: processes, one task each."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import AIOHTTP, Peer, Run, install_in_venv, run_loader

_MODULE = "tests.programs.bench.peers.celery_worker"


class CeleryPeer(Peer):
    """See the module."""

    name = "celery"
    title = "Celery, a process per core"
    loses = (
        "the tasks being run: acked before they run by default; those prefetched come back only after the "
        "visibility timeout (an hour)"
    )
    part = 5_000
    queue = "celery"

    def install(self, scratch: Path) -> None:
        self._python = install_in_venv(scratch, "celery[redis]==5.7.0", "hiredis==3.5.0", "requests==2.34.2", AIOHTTP)

    def load(self, run: Run) -> None:
        run_loader([self._python, "-m", _MODULE, "load"], run, self.environment(run))

    def command(self, run: Run) -> Sequence[str | Path]:
        pool = ("--pool", "prefork", "--concurrency", str(len(os.sched_getaffinity(0))))
        quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")
        return [self._python, "-m", "celery", "-A", _MODULE, "worker", *pool, *quiet]
