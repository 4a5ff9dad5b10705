"""arq: jobs in Redis, asyncio."""

from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import AIOHTTP, Peer, Run, install_in_venv, run_loader

_MODULE = "tests.programs.bench.peers.arq_worker"


class Arq(Peer):
    """See the module."""

    name = "arq"
    title = "arq, 64 jobs at once"
    loses = "nothing, but jobs in hand run again only when their in-progress key has expired (job timeout + 10 s)"
    part = 5_000
    queue = "arq:queue"

    def install(self, scratch: Path) -> None:
        self._python = install_in_venv(scratch, "arq==0.28.0", AIOHTTP)

    def load(self, run: Run) -> None:
        run_loader([self._python, "-m", _MODULE, "load"], run, self.environment(run))

    def command(self, run: Run) -> Sequence[str | Path]:
        return [self._python, "-m", _MODULE]
