"""Two workers as the children of one process. It says so once each of them owns a list."""

import asyncio
import os
import subprocess
import sys

from tests.programs.bench.fleet import await_fair

READY = "each worker owns a list"
WORKERS = 2


def main() -> None:
    workers = [subprocess.Popen([sys.executable, "-m", "forwarder", "run"]) for _ in range(WORKERS)]
    asyncio.run(await_fair(os.environ["FORWARDER_REDIS_URL"], WORKERS, lists=WORKERS))
    print(READY, flush=True)
    for worker in workers:
        worker.wait()


if __name__ == "__main__":
    main()
