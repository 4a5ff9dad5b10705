"""Celery with its Redis broker: threads, because its tasks wait for the API. Processes used a quarter more CPU."""

from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import AIOHTTP, AT_ONCE, Peer, Run, install_in_venv, run_loader

_MODULE = "tests.programs.bench.peers.celery_worker"


class CeleryPeer(Peer):
    """See the module."""

    name = "celery"
    title = f"Celery, {AT_ONCE} threads"
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
        pool = ("--pool", "threads", "--concurrency", str(AT_ONCE))
        quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")
        return [self._python, "-m", "celery", "-A", _MODULE, "worker", *pool, *quiet]
