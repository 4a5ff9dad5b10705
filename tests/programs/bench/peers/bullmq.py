"""BullMQ: jobs in Redis, Node."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import (
    Peer,
    Run,
    UnavailableError,
    install_step,
    is_installed,
    note_installed,
    run_loader,
)

_PACKAGES = ("bullmq@6.7.0", "ioredis@5.11.1", "undici@7.30.2")
_WORKER = Path(__file__).with_name("bullmq_worker.mjs")


class BullMQ(Peer):
    """See the module."""

    name = "bullmq"
    title = "BullMQ, 64 jobs at once"
    loses = "nothing: jobs in hand are noticed as stalled when their lock has expired (30 s), and run again"

    def install(self, scratch: Path) -> None:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise UnavailableError("no node or npm: apt-get install nodejs npm")
        folder = scratch / "bullmq"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        if not is_installed(folder, wanted := " ".join(_PACKAGES)):
            install_step(npm, "install", "--no-fund", "--no-audit", *_PACKAGES, cwd=folder)
            note_installed(folder, wanted)
        self._command = [node, shutil.copy(_WORKER, folder)]

    def load(self, run: Run) -> None:
        run_loader([*self._command, "load"], run, self.environment(run))

    def command(self, run: Run) -> Sequence[str | Path]:
        return self._command

    def release(self, run: Run, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGUSR2)
