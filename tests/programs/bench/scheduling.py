"""How many POSTs a backlog costs, and how long an event waits, in each order of sending.

The buffer is the service's own; Redis, the API and time are simulated. A POST may start every 1/posts seconds and
takes `latency` seconds. Policies differ in how often the oldest group goes first: always, never, or now and then. They
also differ in whether the buffer is filled first, which decides where POSTs could outrun claims.
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
from forwarder.pipeline.buffer.space import Limits, Room
from tests.programs.bench import work

PER_POST = 100
RATE = 120.0
_CLAIM = 2_000
INFLOW = 2_000
_NEVER = 2**62
BUFFERS = (10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Policy:
    """An order of sending: the arguments of :class:`forwarder.pipeline.buffer.buffer.Buffer` and its limits."""

    oldest_every: int
    fill_first: bool = False


FIRST_COME, LARGEST, MIXED, OURS = Policy(1), Policy(_NEVER), Policy(10), Policy(10, fill_first=True)
POLICIES = {"first come": FIRST_COME, "largest": LARGEST, "largest, 1 in 10 the oldest": MIXED, "and fill first": OURS}


@dataclass(frozen=True, slots=True)
class Pace:
    """What happens in a second.

    Attributes:
        posts: POSTs that may start.
        claims: events that may be claimed.
        inflow: events that are pushed; 0: all of them wait from the start.
        latency: seconds that a POST takes.
    """

    posts: float = RATE
    claims: float = 1e9
    inflow: float = 0.0
    latency: float = 0.1


#: A busy machine without a rate limit, and a Redis that gives 40,000 claims a second.
BUSY = Pace(posts=2_000, claims=40_000, latency=0.01)
STEADY = Pace(inflow=INFLOW)


@dataclass(frozen=True, slots=True)
class Run:
    """What a simulation came to; waits in seconds, from claimed to sent."""

    posts: int
    longest_wait: float
    seconds: float


class _World:
    """Redis' list, the buffer and the POSTs in flight, at ticks of a clock."""

    def __init__(self, buffer: int, policy: Policy, pace: Pace) -> None:
        limits = Limits(buffer, 2**62, PER_POST, 2**62, linger=0.25, fill_first=policy.fill_first)
        self._buffer = Buffer(limits, oldest_every=policy.oldest_every)
        self._latency = pace.latency
        self._claims_per_tick = pace.claims / pace.posts
        self._may_claim = 0.0
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
        self._may_claim = min(self._may_claim + self._claims_per_tick, max(_CLAIM, self._claims_per_tick))
        while self.waiting and self._may_claim >= (most := min(_CLAIM, len(self.waiting))) and self._claim(most, now):
            pass
        deep = bool(self.waiting)
        due = self._buffer.due(now, deep=deep)
        if due is not None and due <= now and (batch := self._buffer.take(now, deep=deep)) is not None:
            self.posts += 1
            self.longest_wait = max(self.longest_wait, now - batch.events[0].stamp / 1e6)
            self._in_flight.append((now + self._latency, batch))

    def _claim(self, most: int, now: float) -> bool:
        room = self._buffer.space.grant(Room(most, 0))
        if room is None:
            return False
        for _ in range(room.events):
            self._buffer.add([Event(self._claimed, int(now * 1e6), self.waiting.popleft(), b"")], now)
            self._claimed += 1
        self._buffer.space.give_back(room)
        self._may_claim -= room.events
        return True

    @property
    def over(self) -> bool:
        return not (self.waiting or self._buffer.space.events)


def simulate(users: Iterable[str], *, buffer: int, policy: Policy, pace: Pace = Pace()) -> Run:
    """Sends every event.

    Args:
        users: whose events, in the order they are pushed.
        buffer: how many events fit into it.
    """
    world, source, ticks, pushed = _World(buffer, policy, pace), iter(users), 0, 0
    more = True
    while more or not world.over:
        now = ticks / pace.posts
        while more and (not pace.inflow or pushed <= now * pace.inflow):
            user = next(source, None)
            more = user is not None
            if user is not None:
                world.waiting.append(user)
                pushed += 1
        world.tick(now)
        ticks += 1
    return Run(world.posts, world.longest_wait, ticks / pace.posts)


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
    zipf = work.zipf(300_000).users
    backlogs = {
        "Zipf": (zipf, Pace()),
        "uniform": (work.uniform(300_000).users, Pace()),
        "one hot user": (work.hot(300_000).users, Pace()),
        "the shop": (work.shop(69_659).users, Pace()),
        f"{INFLOW:,}/s": (steady(), STEADY),
        f"Zipf, {BUSY.posts:,.0f} POSTs/s, {BUSY.claims:,.0f} claims/s": (zipf, BUSY),
    }
    jobs = [(name, buffer) for name in backlogs for buffer in BUFFERS]
    return [
        Line(name, buffer, title, optimum(users), run)
        for name, buffer in progress(jobs)
        for users, pace in [backlogs[name]]
        for title, policy in POLICIES.items()
        for run in [simulate(users, buffer=buffer, policy=policy, pace=pace)]
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
    console.print(f"{main.__doc__} {PER_POST} events per POST, {RATE:.0f} POSTs/s unless the line says otherwise.\n")
    console.print(_table(lines))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
