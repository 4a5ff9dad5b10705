"""POSTs ÷ the fewest possible, and events per second, where POSTs could outrun claims: on a busy machine.

Each run drains (a) 300,000 events of 10,000 users, without a rate limit, in one of four conditions. After each comes a
run in which groups wait no longer than they linger: a rate limit that limits nothing switches the filling off. The
conditions take turns, so that other work on the machine affects all alike.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from statistics import median
from tempfile import TemporaryDirectory
from typing import Protocol

from rich.console import Console
from rich.progress import track
from rich.table import Table

from forwarder.demo.redis_server import EmbeddedRedis
from tests.programs.bench.findings import Finding
from tests.programs.bench.machine import busy_loops
from tests.programs.bench.measure import FailedError, prepare, started
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.peer import Run
from tests.programs.bench.sink import Sink
from tests.programs.bench.work import POST_OVERHEAD, Work, zipf

EVENTS = 300_000
_LONGEST = 120.0
#: The most POSTs ÷ the fewest possible.
_MOST = 1.10
#: A rate limit that limits nothing.
_UNREACHED = 1_000_000

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Condition:
    """What the worker shares its machine with.

    Attributes:
        python_sink: the API is a program in Python instead of nginx.
        loops: busy loops beside it.
        away: seconds to Redis and back.
    """

    name: str
    python_sink: bool = False
    loops: int = 0
    away: float = 0.0


CONDITIONS = (
    Condition("quiet"),
    Condition("sink in Python", python_sink=True),
    Condition("two busy loops", loops=2),
    Condition("Redis 20 ms away", away=0.02),
)


@dataclass(frozen=True, slots=True)
class Drained:
    """What one run showed. Each event has arrived exactly once, or there would be no such run."""

    condition: str
    fills_first: bool
    posts_over_fewest: float
    events_per_second: float


class Counts(Protocol):
    """What arrived, as :class:`Sink`."""

    posts: int
    payload: int
    last: float

    @property
    def url(self) -> str:
        """Where to POST to."""

    def look(self) -> None:
        """Updates the counts."""


class PythonSink:
    """Answers 202, and counts."""

    def __init__(self) -> None:
        self.posts = self.payload = self.port = 0
        self.last = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def look(self) -> None:
        """Nothing to do: it counts as it answers."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            self.posts += 1
            self.payload += length - POST_OVERHEAD
            self.last = time.time()


@contextmanager
def _serving(serve: Serve) -> Iterator[int]:
    """A server in a thread of its own. Yields its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):  # at the end of the server it is cancelled
            await serve(reader, writer)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**20) as server:
            listening.put((asyncio.current_task(), asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
            await server.serve_forever()

    listening: Queue[tuple[asyncio.Task[None] | None, asyncio.AbstractEventLoop, int]] = Queue()
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, main())
        task, loop, port = listening.get()
        try:
            yield port
        finally:
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)


def _far(port: int, away: float) -> Serve:
    """Forwards to `port`, half of the delay in each direction."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, line = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def deliver() -> None:
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                writer.write(data)

        delivering = asyncio.create_task(deliver())
        try:
            while data := await reader.read(2**20):
                line.put_nowait((loop.time() + away / 2, data))
        finally:
            delivering.cancel()
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        await asyncio.gather(carry(reader, upstream[1]), carry(upstream[0], writer))

    return serve


class _Near(ForwarderPeer):
    """The worker, with the address of Redis as it sees it."""

    def __init__(self, redis_port: int) -> None:
        self._port = redis_port

    def environment(self, run: Run) -> dict[str, str]:
        return {**super().environment(run), "FORWARDER_REDIS_URL": f"redis://127.0.0.1:{self._port}"}


@contextmanager
def _sink(condition: Condition, folder: Path) -> Iterator[Counts]:
    if condition.python_sink:
        sink = PythonSink()
        with _serving(sink.serve) as sink.port:
            yield sink
    else:
        with Sink(folder) as nginx:
            yield nginx


def drain(condition: Condition, work: Work, folder: Path, *, fills_first: bool) -> Drained:
    """One run. Raises FailedError unless each event arrives exactly once."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedRedis(port=None))
        sink = stack.enter_context(_sink(condition, folder))
        run = Run(work, 0 if fills_first else _UNREACHED, server.url, sink.url, folder)
        port = run.redis_port
        if condition.away:
            port = stack.enter_context(_serving(_far(port, condition.away)))
        peer = _Near(port)
        prepare(peer, run)
        process = stack.enter_context(started(peer, run))
        stack.enter_context(busy_loops(condition.loops))
        begun = time.time()
        peer.release(run, process)
        while sink.payload < work.payload and time.time() < begun + _LONGEST and process.poll() is None:
            time.sleep(0.1)
            sink.look()
    if sink.payload != work.payload:
        raise FailedError(f"sent {sink.payload:,} bytes of events, of {work.payload:,}")
    ratio, seconds = sink.posts / len(work.posts), sink.last - begun
    return Drained(condition.name, fills_first, ratio, len(work.events) / seconds)


def medians(runs: list[Drained]) -> list[Drained]:
    """One line for each condition, with and without filling first."""
    groups: dict[tuple[str, bool], list[Drained]] = {}
    for run in runs:
        groups.setdefault((run.condition, run.fills_first), []).append(run)
    return [
        Drained(*key, median(r.posts_over_fewest for r in group), median(r.events_per_second for r in group))
        for key, group in groups.items()
    ]


def measure(scratch: Path, events: int = EVENTS) -> list[Finding]:
    """One run in each condition, as the service is."""
    work = zipf(events)
    runs = [drain(each, work, scratch / f"filling-{n}", fills_first=True) for n, each in enumerate(CONDITIONS)]
    return [
        Finding(f"POSTs ÷ fewest of (a), unlimited: {run.condition}", run.posts_over_fewest, most=_MOST) for run in runs
    ]


def _table(runs: list[Drained]) -> Table:
    table = Table("machine", "groups that are not full", box=None, pad_edge=False, header_style="bold")
    for name in ("POSTs ÷ fewest", "events/s"):
        table.add_column(name, justify="right")
    for each in medians(runs):
        waits = "wait while the buffer fills" if each.fills_first else "linger"
        table.add_row(each.condition, waits, f"{each.posts_over_fewest:.2f}", f"{each.events_per_second:,.0f}")
    return table


def main() -> None:
    """POSTs ÷ the fewest possible, and events per second, where POSTs could outrun claims."""
    names = [each.name for each in CONDITIONS]
    parser = argparse.ArgumentParser(prog="python -m tests.programs.bench.filling", description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--conditions", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--alone", action="store_true", help="no runs in which groups only linger")
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    work, console, runs = zipf(chosen.events), Console(), []
    jobs = [
        (condition, fills_first)
        for _ in range(chosen.repeats)
        for condition in CONDITIONS
        if condition.name in chosen.conditions
        for fills_first in ((True,) if chosen.alone else (True, False))
    ]
    with TemporaryDirectory() as scratch:
        for number, (condition, fills_first) in track(enumerate(jobs), "draining", len(jobs), console=console):
            runs.append(drain(condition, work, Path(scratch) / str(number), fills_first=fills_first))
    console.print(f"{main.__doc__} {work.title}; medians of {chosen.repeats}.\n")
    console.print(_table(runs))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))


if __name__ == "__main__":
    main()
