"""Hand-written BLPOP loops."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import AT_ONCE, Peer, Run


class Blpop(Peer):
    """`at_once` loops in one process."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self.part = 5_000 if at_once == 1 else 15_000
        self.name = f"blpop-{at_once}"
        self.title = "BLPOP loop, one at a time" if at_once == 1 else f"BLPOP loop, {at_once} at once"
        many = f"up to {at_once} events" if at_once > 1 else "the event in hand"
        self.loses = f"{many}: popped from Redis before it was sent"

    def command(self, run: Run) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.programs.bench.peers.blpop_worker"]

    def environment(self, run: Run) -> dict[str, str]:
        return {**super().environment(run), "BENCH_AT_ONCE": str(self._at_once)}


ONE = Blpop(1)
MANY = Blpop(AT_ONCE)
