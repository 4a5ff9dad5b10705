"""What a fleet of 10, 100 and 1,000 workers does: `python -m tests.programs.fleet.scale [--publish]`.

Real workers and a real Redis, on a virtual clock. So the figures are those of the protocol, whatever the machine.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from forwarder.queue.wire.scripts import digest
from tests.support.documents import SCALING, written
from tests.support.fleet.play import play
from tests.support.fleet.world import Size, World
from tests.support.virtual.stepped import why_not

#: Workers and lists of each row.
_SIZES = ((10, 40), (100, 400), (1_000, 1_000))
#: Seconds between two looks, and within which what is waited for must come.
_LOOK, _PATIENCE = 0.25, 300.0
#: Seconds for which an idle fleet is counted.
_IDLE = 30.0
#: POSTs per second of the limit for each worker, and of the smallest fleet.
_EACH, _LEAST = 4.0, 120.0
#: Seconds of POSTs at the limit that are pushed.
_BACKLOG = 45
#: The rate is reached when this part of it was sent within a second.
_REACHED = 0.95


@dataclass
class Figures:
    """What was measured of one fleet; times in seconds."""

    workers: int
    lists: int
    limit: float
    all_owned: float = 0.0
    fair: float = 0.0
    joined: float = 0.0
    served_again: float = 0.0
    heartbeats: float = 0.0
    commands: float = 0.0
    rate: float = 0.0
    used: float = 0.0
    worst: int = 0


async def _until(world: World, holds: Callable[[], bool]) -> float:
    """Seconds until it holds."""
    since = world.now()
    assert await world.until(holds, within=_PATIENCE, every=_LOOK), f"does not hold after {_PATIENCE:g} s"
    return world.now() - since


def _are_all_owned(world: World) -> bool:
    return sum(world.shares) == world.size.lists


async def measure(world: World, limit: float) -> Figures:
    """One fleet, from a cold start to a backlog on every list."""
    size = world.size
    found = Figures(size.workers, size.lists, limit)
    dice = world.dice("starts")
    for pause in sorted(dice.uniform(0, 1) for _ in range(size.workers)):
        asyncio.get_running_loop().call_later(pause, world.start)
    found.all_owned = await _until(world, lambda: _are_all_owned(world))
    found.fair = found.all_owned + await _until(world, lambda: len(world.members) == size.workers and world.is_fair)
    await asyncio.sleep(15.0)
    await _idle(world, found)
    world.start()
    found.joined = await _until(world, lambda: world.is_fair)
    await asyncio.sleep(15.0)
    await world.kill(max(world.members.values(), key=lambda member: len(member.owned)))
    found.served_again = await _until(world, lambda: _are_all_owned(world))
    await asyncio.sleep(15.0)
    await _busy(world, found)
    return found


async def _idle(world: World, found: Figures) -> None:
    kinds: Counter[str] = Counter()
    note = world.network.note
    heartbeat = digest("attend").encode()

    def count(actor: str, request: list[bytes], reply: bytes) -> None:
        kinds["heartbeat" if heartbeat in request[:2] else "other"] += 1
        note(actor, request, reply)

    world.network.note = count
    await asyncio.sleep(_IDLE)
    world.network.note = note
    found.heartbeats = kinds["heartbeat"] / _IDLE
    found.commands = kinds.total() / _IDLE


async def _busy(world: World, found: Figures) -> None:
    """Every list gets events of many users, each alone in its POST, so that only the rate limits them."""
    for first in range(0, int(found.limit * _BACKLOG), 1_000):
        world.push([f"stranger{first + each}" for each in range(1_000)])
    since, before = world.now(), world.outside.posts
    await _until(world, lambda: len(world.outside.starts) >= _REACHED * found.limit)
    found.rate = world.now() - since
    before, since = world.outside.posts, world.now()
    await asyncio.sleep(_BACKLOG / 3)
    found.used = (world.outside.posts - before) / (world.now() - since) / found.limit
    found.worst = world.outside.worst


def table(rows: list[Figures]) -> str:
    """As it stands on the page."""
    names = [
        "workers",
        "lists",
        "all lists owned after a cold start",
        "fair shares after it",
        "fair shares after a worker has joined",
        "the lists of a dead worker are served again",
        "heartbeats/s",
        "commands/s when idle",
        "95 % of the rate is used after a backlog appears",
        "of the rate used then",
        "limit, and POSTs in the worst second",
    ]
    head = f"| {' | '.join(names)} |\n|{'--:|' * len(names)}"
    lines = [
        f"| {row.workers:,} | {row.lists:,} | {row.all_owned:.1f} s | {row.fair:.1f} s | {row.joined:.1f} s | "
        f"{row.served_again:.1f} s | {row.heartbeats:.0f} | {row.commands:,.0f} | {row.rate:.1f} s | "
        f"{row.used:.1%} | {row.limit:,.0f}: {row.worst:,} |"
        for row in rows
    ]
    return "\n".join([head, *lines])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.fleet.scale", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[workers for workers, _ in _SIZES])
    parser.add_argument("--seed", default="scale")
    parser.add_argument("--publish", action="store_true", help="write the table into deploy/scaling.md")
    given = parser.parse_args()
    if reason := why_not():
        print(f"cannot simulate: {reason}")
        return 1
    rows = []
    for workers, lists in _SIZES:
        if workers in given.workers:
            limit = max(_LEAST, workers * _EACH)
            size = Size(workers, lists, settings={"rate_limit": limit})
            rows.append(play(lambda world, limit=limit: measure(world, limit), size, seed=given.seed))  # type: ignore[misc]
            print(rows[-1], file=sys.stderr, flush=True)
    text = table(rows)
    print(text)
    if given.publish:
        SCALING.write_text(written(SCALING.read_text(encoding="utf-8"), "fleet", f"\n{text}\n\n"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
