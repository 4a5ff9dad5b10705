"""How many POSTs a backlog costs, and how long an event waits, in each order of sending.

The buffer is the service's own; Redis, the API and time are simulated. A POST may start every 1/rate seconds and
takes `latency` seconds. Policies differ in how often the oldest group goes first: always, never, or now and then.
"""

import argparse
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from forwarder.event import Event
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.buffer.buffer import Buffer
from forwarder.pipeline.buffer.space import Limits
from tests.programs.bench import work

PER_POST = 100
RATE = 120.0
_LATENCY = 0.1
_CLAIM = 2_000
INFLOW = 2_000
_NEVER = 2**62
POLICIES = {"first come": 1, "largest": _NEVER, "largest, 1 in 10 the oldest": 10}
BUFFERS = (10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Run:
    """What a simulation came to; waits in seconds, from claimed to sent."""

    posts: int
    longest_wait: float
    seconds: float


class _World:
    """Redis' list, the buffer and the POSTs in flight, at ticks of a clock."""

    def __init__(self, buffer: int, oldest_every: int) -> None:
        limits = Limits(events=buffer, bytes=2**62, events_per_post=PER_POST, body_bytes=2**62, linger=0.25)
        self._buffer = Buffer(limits, oldest_every=oldest_every)
        self.waiting: deque[str] = deque()
        self._in_flight: deque[tuple[float, Batch]] = deque()
        self._claimed = 0
        self.posts = 0
        self.longest_wait = 0.0

    def tick(self, now: float) -> None:
        while self._in_flight and self._in_flight[0][0] <= now:
            _, answered = self._in_flight.popleft()
            self._buffer.free(answered.events)
            self._buffer.finish(answered.user)
        while self.waiting and not self._buffer.space.full:
            self._claim(now)
        deep = bool(self.waiting)
        due = self._buffer.due(now, deep=deep)
        if due is not None and due <= now and (batch := self._buffer.take(now, deep=deep)) is not None:
            self.posts += 1
            self.longest_wait = max(self.longest_wait, now - batch.events[0].stamp / 1e6)
            self._in_flight.append((now + _LATENCY, batch))

    def _claim(self, now: float) -> None:
        for _ in range(min(self._buffer.space.room[0], _CLAIM, len(self.waiting))):
            self._buffer.add([Event(self._claimed, int(now * 1e6), self.waiting.popleft(), b"")], now)
            self._claimed += 1

    @property
    def over(self) -> bool:
        return not (self.waiting or self._buffer.space.events)


def simulate(users: Iterable[str], *, buffer: int, oldest_every: int, inflow: float = 0.0) -> Run:
    """Sends every event.

    Args:
        users: whose events, in the order they are pushed.
        buffer: how many events fit into it.
        oldest_every: as :class:`forwarder.pipeline.buffer.buffer.Buffer`'s.
        inflow: events pushed per second; 0: all of them wait from the start.
    """
    world, source, ticks, pushed = _World(buffer, oldest_every), iter(users), 0, 0
    more = True
    while more or not world.over:
        now = ticks / RATE
        while more and (not inflow or pushed <= now * inflow):
            user = next(source, None)
            more = user is not None
            if user is not None:
                world.waiting.append(user)
                pushed += 1
        world.tick(now)
        ticks += 1
    return Run(world.posts, world.longest_wait, ticks / RATE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    work: str
    buffer: int
    policy: str
    optimum: int
    run: Run


def optimum(users: Sequence[str]) -> int:
    """The fewest POSTs that can carry a backlog."""
    return sum(-(-count // PER_POST) for count in Counter(users).values())


def steady(seconds: int = 600) -> list[str]:
    """2,000 events a second of 10,000 users."""
    return work.zipf(INFLOW * seconds).users


def _lines(progress: Callable[[Sequence[tuple[str, int]]], Iterable[tuple[str, int]]]) -> list[Line]:
    backlogs = {
        "Zipf": work.zipf(300_000).users,
        "uniform": work.uniform(300_000).users,
        "one hot user": work.hot(300_000).users,
        "the shop": work.shop(69_659).users,
        f"{INFLOW:,}/s": steady(),
    }
    jobs = [(name, buffer) for name in backlogs for buffer in BUFFERS]
    return [
        Line(name, buffer, policy, optimum(users), run)
        for name, buffer in progress(jobs)
        for users, inflow in [(backlogs[name], INFLOW if name.endswith("/s") else 0.0)]
        for policy, every in POLICIES.items()
        for run in [simulate(users, buffer=buffer, oldest_every=every, inflow=inflow)]
    ]


def _table(lines: Sequence[Line]) -> Table:
    table = Table("events", "buffer", box=None, pad_edge=False, header_style="bold")
    for policy in POLICIES:
        table.add_column(policy, justify="right")
    by_row: dict[tuple[str, int], list[Run]] = {}
    for line in lines:
        by_row.setdefault((line.work, line.buffer), []).append(line.run)
    optima = {line.work: line.optimum for line in lines}
    for (name, buffer), runs in by_row.items():
        cells = [f"{run.posts / optima[name]:5.2f}, {run.longest_wait:5.0f} s" for run in runs]
        last = buffer == BUFFERS[-1]
        table.add_row(name, f"{buffer:,}", *cells, end_section=last)
    return table


def main() -> None:
    """POSTs ÷ the fewest possible, and the longest wait from claimed to sent."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.scheduling", description=main.__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    console = Console()
    lines = _lines(lambda jobs: track(jobs, "simulating", console=console, transient=True))
    console.print(f"{main.__doc__} {PER_POST} events per POST, {RATE:.0f} POSTs/s.\n")
    console.print(_table(lines))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
