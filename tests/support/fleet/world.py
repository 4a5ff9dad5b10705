"""A whole fleet on one virtual clock: real workers, a real Redis with a stepped clock, producers, the API, a person.

Only three things are not real: the socket between redis-py and Redis (`network`), the API, and time.
"""

import asyncio
import gc
import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from zlib import crc32

from forwarder import config
from forwarder.api.credentials import Credentials
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from tests.support.fleet import causes
from tests.support.fleet.member import Member
from tests.support.fleet.outside import Outside, Way
from tests.support.fleet.trace import Trace
from tests.support.promises import SETTLING, History
from tests.support.virtual.actors import ACTOR
from tests.support.virtual.network import Network
from tests.support.virtual.stepped import packed

QUEUE = "events"
#: Seconds between two collections of garbage.
_SWEEP = 600.0


@dataclass
class Size:
    """How large a fleet is."""

    workers: int = 3
    lists: int = 8
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Violation:
    """A broken promise: which one, the details, and the virtual second when it was seen."""

    kind: str
    detail: str
    at: float

    def __str__(self) -> str:
        return f"{self.at:.3f} s: {self.kind}: {self.detail}"


class World:
    """To be made and used inside an :class:`ActorLoop`, under :func:`certain` and the network's patch."""

    def __init__(self, network: Network, folder: Path, size: Size, seed: str) -> None:
        self.size = size
        self.seed = seed
        self.trace = Trace(self.now)
        self.network = network
        network.note = self.trace.add
        self.outside = Outside(self.dice("API"), self.now, self.trace)
        self.members: dict[str, Member] = {}
        self.pushed: dict[str, list[int]] = {}
        self.numbers = 0
        self.bad: dict[int, str] = {}
        #: What a process had accepted from then to then may be unsettled, because it was killed, frozen or cut off.
        self.unsettled: dict[str, list[tuple[float, float]]] = {}
        #: The same for all of them: a failover has forgotten it.
        self.forgotten: list[tuple[float, float]] = []
        #: Pushes that a failover has forgotten.
        self.uncertain: set[int] = set()
        #: Who lost a lease, and when.
        self.lost: list[tuple[float, str]] = []
        #: Broken promises, as soon as they are seen.
        self.violations: list[Violation] = []
        self.worker_seconds = 0.0
        #: The most workers that there were at once; and the processes that were stopped in good order.
        self.most_workers = 0
        self.stopped: set[str] = set()
        #: How many faults keep producers from pushing now.
        self.refusing = 0
        #: Why what producers push now is no good; empty if it is.
        self.broken = ""
        #: How many events of a broken deploy were pushed.
        self.deployed = 0
        #: Every fault: its name, since when, and until when.
        self.faults: list[tuple[str, float, float]] = []
        self.paused_until = 0.0
        #: Holds the key that the workers have.
        self.key_file = folder / "key"
        self.key_file.write_text(self.outside.key)
        self.person = self.queue("person")
        self._seen = 0.0
        self._made = 0

    def dice(self, what: str) -> random.Random:
        """Random numbers for one purpose, so that a change of one part of the world leaves the others as they were."""
        return random.Random(f"{what} of {self.seed}")

    def now(self) -> float:
        """Virtual seconds since the world began."""
        return asyncio.get_running_loop().time()

    def clock(self) -> float:
        """The same for processes. They pass a little with each call, or rounding could make a moment last for ever."""
        self._seen = max(self.now(), self._seen + 1e-7)
        return self._seen

    def settings(self, name: str, **others: object) -> config.Settings:
        given = {
            "queue": QUEUE,
            "shards": self.size.lists,
            "api_key_file": self.key_file,
            **self.size.settings,
            **others,
        }
        return config.load({}, redis_url=f"unix:///{name}", **given)

    def start(self) -> Member:
        """Starts a worker process."""
        self._made += 1
        name = f"w{self._made}"
        settings = self.settings(name)
        way = Way(self.outside, name, Credentials.from_settings(settings))
        self.members[name] = member = Member(name, settings, way, self.clock)
        self.most_workers = max(self.most_workers, len(self.members))
        self.trace.add("world", ("start", name))
        return member

    def gone(self, member: Member) -> None:
        """A process has ended, one way or another."""
        self.members.pop(member.name, None)
        self.worker_seconds += self.now() - member.started

    async def kill(self, member: Member) -> None:
        """As SIGKILL."""
        self.trace.add("world", ("kill", member.name))
        self.excuse(member.name, self.now() - SETTLING, self.now() + SETTLING)
        self.network.kill(member.name)
        member.way.is_dead = True
        self.gone(member)
        await member.end()

    def excuse(self, name: str, since: float, until: float) -> None:
        """What this process has accepted from `since` to `until` may be sent again."""
        self.unsettled.setdefault(name, []).append((since, until))

    def violated(self, kind: str, detail: str) -> None:
        """A promise is broken."""
        self.violations.append(Violation(kind, detail, self.now()))
        self.trace.add("judge", f"{kind}: {detail}")

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """This fault is in force until the end of the block. What it may cause is not held against the fleet."""
        since = self.now()
        self.faults.append((name, since, inf))
        try:
            yield
        finally:
            self.faults[self.faults.index((name, since, inf))] = name, since, self.now()

    async def stop(self, member: Member) -> None:
        """As SIGTERM. Returns when the process has ended."""
        self.trace.add("world", ("stop", member.name))
        self.stopped.add(member.name)
        member.stop()
        await asyncio.wait({member.task})
        self.gone(member)

    def push(self, users: Iterable[str], *, bad: str = "") -> list[int]:
        """A producer pushes an event for each user, in order. `bad`: why each must become a dead letter."""
        lists: dict[str, list[bytes]] = {}
        numbers = []
        for user in users:
            number = self.numbers = self.numbers + 1
            numbers.append(number)
            self.pushed.setdefault(user, []).append(number)
            if bad or user in self.outside.unknown or user in self.outside.erased:
                self.bad[number] = bad or ("erased" if user in self.outside.erased else "rejected")
            elif not user.startswith("odd"):
                self.outside.open[number] = user, self.now()
            self.deployed += bool(bad and self.broken)
            if bad == "rejected":
                self.outside.malformed.add(number)
            lists.setdefault(self.list_of(user), []).append(_element(user, number, valid=bad != "invalid"))
        for name, elements in lists.items():
            assert self.run("producer", "RPUSH", name, *elements).startswith(b":")
        return numbers

    def list_of(self, user: str) -> str:
        return f"{QUEUE}:{crc32(user.encode()) % self.size.lists}" if self.size.lists > 1 else QUEUE

    @property
    def lists(self) -> list[str]:
        return [f"{QUEUE}:{shard}" for shard in range(self.size.lists)] if self.size.lists > 1 else [QUEUE]

    def run(self, actor: str, *parts: bytes | str | int) -> bytes:
        """Runs one command at once, over a line without faults. Returns the reply in Redis' protocol."""
        request = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        return self.network.execute(actor, packed(request), [request])

    def look(self, *parts: bytes | str | int) -> Any:
        """Reads from Redis without a trace."""
        return self.network.server.command(*parts)

    def queue(self, name: str) -> Queue:
        """The queue as a command of a person sees it."""
        return Queue(connect(f"unix:///{name}"), QUEUE, self.size.lists)

    @property
    def is_halted(self) -> bool:
        """Whether a halt or a pause is in force."""
        return bool(self.look("EXISTS", f"{{{QUEUE}}}:halt", f"{{{QUEUE}}}:pause"))

    @property
    def takes_pushes(self) -> bool:
        """Whether producers reach Redis, and it takes more."""
        return not self.refusing

    @property
    def letters(self) -> int:
        """Dead letters."""
        return sum(self.look("XLEN", f"{{{name}}}:dead") for name in self.lists)

    @property
    def undecided(self) -> int:
        """Events that wait or are claimed."""
        return sum(self.look("LLEN", name) + self.look("HLEN", f"{{{name}}}:claimed") for name in self.lists)

    @property
    def shares(self) -> list[int]:
        """How many lists each worker owns, the fewest first."""
        return sorted(len(member.owned) for member in self.members.values())

    @property
    def is_fair(self) -> bool:
        """Whether every list has an owner, and no worker owns two more than another."""
        shares = self.shares
        return sum(shares) == self.size.lists and shares[-1] - shares[0] <= 1

    async def until(self, holds: Callable[[], bool], *, within: float, every: float = 1.0) -> bool:
        """Looks again after each pause, until it holds or the time is over. Returns whether it holds."""
        end = self.now() + within
        while not (held := holds()) and self.now() < end:  # noqa: ASYNC110 - nobody notifies
            await asyncio.sleep(every)
        return held

    async def end(self) -> None:
        """Ends every process, whatever it does."""
        for member in list(self.members.values()):
            self.network.kill(member.name)
            member.way.is_dead = True
            self.gone(member)
            await member.end()

    async def sweep(self) -> None:
        """Collects garbage at times that do not depend on how much there is."""
        while True:
            await asyncio.sleep(_SWEEP)
            gc.collect()

    def logged(self, members: dict[str, Any]) -> None:
        """A process writes a line of its log."""
        what = str(members.get("event"))
        if what == "halted":
            reason = str(members.get("reason"))
            if not causes.may_halt(self.faults, self.now(), reason):
                self.violated("halted without a cause", f"{ACTOR.get()}, {reason}")
        if what.startswith("lease lost"):
            self.lost.append((self.now(), ACTOR.get()))
            if not causes.may_lose(self.faults, self.now()):
                self.violated("lost a lease without a cause", ACTOR.get())
        self.trace.add(ACTOR.get() or "log", sorted((key, str(value)) for key, value in members.items()))

    def history(self) -> History:
        """What an observer knows, for the checker."""
        letters, waiting, claimed = [], [], []
        for name in self.lists:
            for _, fields in self.look("XRANGE", f"{{{name}}}:dead", "-", "+"):
                named = dict(zip(fields[::2], fields[1::2], strict=True))
                letters.append((_number(named[b"element"]), named[b"reason"].decode()))
            waiting += [_number(each) for each in self.look("LRANGE", name, 0, -1)]
            claimed += [_number(each) for each in self.look("HVALS", f"{{{name}}}:claimed")]
        return History(self.pushed, self.outside.accepted, letters, waiting, claimed, self.bad, (), self.uncertain)


def _element(user: str, number: int, *, valid: bool) -> bytes:
    name = b'"name":"n",' if valid else b""
    return b'{"user_id":"%b",%b"date":"2016-09-11","n":%d}' % (user.encode(), name, number)


def _number(element: bytes) -> int:
    return int(json.loads(element)["n"])
