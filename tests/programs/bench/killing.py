"""What a SIGKILL half way costs each contestant: counted at the stand-in API, which keeps what it accepted."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from pathlib import Path

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Simulator
from tests.programs.bench.measure import kill, prepare, started
from tests.programs.bench.peers.peer import KEY, Peer, Run
from tests.programs.bench.report import Killed
from tests.programs.bench.work import zipf

_EVENTS = 2_000
_USERS = 400
_RATE = 100
#: Seconds without a POST after which nothing more is waited for. Longer than the forwarder's lease in this test, and
#: than BullMQ takes to find a stalled job: it looks every 30 s for locks that have expired, which they do after 30 s.
_PATIENCE = 65.0


def kill_half_way(peer: Peer, folder: Path) -> Killed:
    """Kills the worker when half of the events are there, starts it again, and counts."""
    folder.mkdir(parents=True)
    return asyncio.run(_kill_half_way(peer, folder))


async def _kill_half_way(peer: Peer, folder: Path) -> Killed:
    work = zipf(_EVENTS, _USERS)
    with EmbeddedRedis(port=None) as server:
        async with Simulator(KEY) as api:
            run = Run(work, _RATE, server.url, api.url, folder)
            await asyncio.to_thread(prepare, peer, run)
            worker = started(peer, run)
            process = await asyncio.to_thread(worker.__enter__)
            await asyncio.to_thread(peer.release, run, process)
            await _accepted(api, _EVENTS // 2, patience=20)
            await asyncio.to_thread(kill, process)
            worker = started(peer, run)
            await asyncio.to_thread(worker.__enter__)
            await _accepted(api, _EVENTS, patience=_PATIENCE)
            with contextlib.suppress(OSError):
                worker.__exit__(None, None, None)
            arrived = Counter(
                json.loads(event)["n"] for user in api.ledger.users() for event in api.ledger.events(user)
            )
    return Killed(peer.name, _EVENTS, _EVENTS - len(arrived), sum(arrived.values()) - len(arrived))


async def _accepted(api: Simulator, count: int, *, patience: float) -> None:
    """Until so many different events are there, or none has come for `patience` seconds."""
    seen, since = 0, time.monotonic()
    while seen < count and time.monotonic() - since < patience:
        await asyncio.sleep(0.05)
        now = sum(len(set(api.ledger.events(user))) for user in api.ledger.users())
        if now > seen:
            seen, since = now, time.monotonic()
