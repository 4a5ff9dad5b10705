"""Kills what is pushing, at random moments of its pushes."""

import asyncio
import os
import random
import secrets
from collections.abc import Callable, Iterator
from itertools import count

from tests.support.processes import forks
from tests.support.servers.proxy import Proxy


def moments(kills: int, most: int) -> Iterator[tuple[str, int]]:
    """Moments at which something is killed: when its nth script is about to reach Redis, has just reached it (the reply
    is lost), or a little later. `most` is how many scripts it sends at most. The seed is printed.
    """
    seed = int(os.environ.get("TEST_SEED", secrets.randbelow(2**32)))
    print(f"again with: TEST_SEED={seed}")
    chance = random.Random(seed)
    for _ in range(kills):
        yield chance.choice(["before", "after", "later"]), chance.randrange(most)


class KillingProxy(Proxy):
    """Kills what is pushing through it at a moment.

    Args:
        port: of Redis.
        when: "before", "after" or "later".
        which: number of the script, from 0.

    Attributes:
        kill: kills it; set before it sends anything.
    """

    def __init__(self, port: int, when: str, which: int) -> None:
        super().__init__(port)
        self.kill: Callable[[], object] = lambda: None
        seen = count()

        def reached(data: bytes) -> bool:
            if b"EVAL" not in data or next(seen) != which:
                return False
            if when == "later":
                asyncio.get_running_loop().call_later(random.uniform(0, 0.004), self.kill)
                return False
            self.kill()
            if when == "before":
                self.cut()
            return True

        self.loses_reply_to = reached


class Program:
    """The text of a Python program as a process, forked from an interpreter that has imported `forwarder`."""

    def __init__(self, text: str) -> None:
        self._process = forks().Process(target=_run, args=(text,), daemon=True)
        self._process.start()

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._process.kill()

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        await asyncio.to_thread(self._process.join)
        code = self._process.exitcode
        assert code is not None
        return code


def _run(text: str) -> None:
    exec(compile(text, "program", "exec"), {"__name__": "__main__"})
