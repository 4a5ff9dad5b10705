"""The service's own grouping, delivery and settlement on a virtual clock, with a scripted API: hours in seconds.

Only what is outside the process is replaced: the list by `ListModel`, which another test compares with the real
scripts, and the API by a function. Nothing sleeps: :class:`VirtualLoop` turns the clock.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import Redis

from forwarder import config
from forwarder.api.credentials import Credentials
from forwarder.errors import UnreachableError
from forwarder.pipeline.gate import Ending, Halted
from forwarder.queue.claim_ids import ScannedIds
from forwarder.queue.claims import Claimed, Claims, Settlement
from forwarder.queue.fleet import Fleet
from forwarder.queue.keys import Keys
from forwarder.queue.lease import Lease, Position
from forwarder.queue.queue import Queue
from forwarder.worker.condition import Stopping
from forwarder.worker.jury import Jury
from forwarder.worker.ownership import Ownership, limits
from forwarder.worker.process import build
from tests.support.promises import History
from tests.support.service import KEY
from tests.support.virtual.api import Script, ScriptedApi
from tests.support.virtual.fleet_model import DecisionsModel, SequenceModel
from tests.support.virtual.list_model import Field, ListModel
from tests.support.virtual.loop import VirtualLoop
from tests.support.virtual.quiet import quiet

#: Seconds between two heartbeats.
_HEARTBEAT = 1.0
#: Seconds that Redis takes for a command.
_TRIP = 0.001

#: Gets no command, because everything that would send one is replaced.
_NO_REDIS = Redis()

T = TypeVar("T")


class VirtualLease(Lease):
    """A lease of a :class:`ListModel`. `trouble` says of each command whether it is lost, or its reply."""

    def __init__(self, world: "World", ttl: float) -> None:
        super().__init__(_NO_REDIS, Keys("virtual"), ttl=ttl, clock=world.clock)
        self._world = world

    async def command(self, does: Callable[[], T]) -> T:
        sent = self._clock()
        await asyncio.sleep(_TRIP)
        trouble = self._world.trouble()
        if trouble == "lost":
            raise UnreachableError("scripted")
        found = does()
        self.end = max(self.end, sent + self._ttl)
        if trouble == "reply lost":
            raise UnreachableError("scripted")
        return found

    async def acquire(self) -> Position | None:
        here = self._world.list
        self.start = await self.command(lambda: Position(here.sequence, here.settlement, len(here.claimed)))
        return self.start

    async def renew(self) -> None:
        await self.command(lambda: None)

    async def release(self) -> None:
        self.end = 0.0


class VirtualClaims(Claims):
    """An owner of a :class:`ListModel`."""

    def __init__(self, world: "World", lease: VirtualLease) -> None:
        super().__init__(lease, side="left")
        self._world = world
        self._list = world.list
        self._command = lease.command

    async def peek(self, *, most: int, most_bytes_of_one: int) -> Sequence[bytes | int]:
        assert most_bytes_of_one
        return await self._command(lambda: list(self._list.waiting)[:most])

    async def claim(self, *, most: int, most_bytes: int, most_bytes_of_one: int) -> Claimed:
        def claim() -> Claimed:
            if self._sequence < self._list.sequence:
                stamp, elements = self._list.claimed_after(self._sequence, most_bytes_of_one)
            else:
                stamp = self._world.stamp()
                elements = self._list.claim(stamp, most, most_bytes, most_bytes_of_one)
            return Claimed(self._sequence + 1, stamp, len(self._list.waiting), elements)

        await asyncio.sleep(self._world.claiming)
        claimed = await self._command(claim)
        self._sequence += len(claimed.elements)
        return claimed

    async def claimed_fields(self) -> ScannedIds:
        def names() -> ScannedIds:
            found = ScannedIds()
            found.add([(*field, len(element)) for field, element in self._list.claimed.items()])
            return found

        return await self._command(names)

    async def read(self, fields: Sequence[Field], *, most_bytes_of_one: int) -> list[bytes | int]:
        assert most_bytes_of_one
        return await self._command(lambda: [self._list.claimed[field] for field in fields])

    async def settle(self, settlement: Settlement) -> None:
        number = self._settlement + 1
        await self._command(lambda: self._list.settle(number, settlement))
        self._settlement = number

    async def wait_for_events(self, blocking: Redis, seconds: float) -> None:  # noqa: ARG002 - as its parent's
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._list.waiting:
                    self._world.pushed.clear()
                    await self._world.pushed.wait()


class World:
    """A list, an API and one process. To be made and used inside a virtual loop.

    Args:
        script: what the API answers.
        others: settings.
    """

    def __init__(self, script: Script, **others: object) -> None:
        self.list = ListModel()
        self.api = ScriptedApi(script)
        self.pushed = asyncio.Event()
        self.trouble: Callable[[], str] = lambda: ""
        #: Seconds that a claim takes longer than other commands.
        self.claiming = 0.0
        self.users: dict[str, list[int]] = {}
        self.kills: list[float] = []
        self._stamp = 0
        self._seen = 0.0
        self.settings = config.load({}, **{"api_key": KEY, "linger": 0.25, **others})
        queue = Queue(_NO_REDIS, "virtual", 1)
        credentials = Credentials.from_settings(self.settings)
        self.process = build(self.settings, queue, credentials, self.api, clock=self.clock)
        self.ownership: Ownership | None = None
        self._fleet = Fleet(_NO_REDIS, "virtual", 1, name="w", remembered=1.0)
        self.resume()

    def resume(self, *, allow_refusals: int = 0) -> None:
        """As `forwarder resume`."""
        self.process.brake.forget()
        self._allowed = allow_refusals
        self._fleet.answers, self._fleet.elements = DecisionsModel(SequenceModel()), DecisionsModel(SequenceModel())
        self._jury = Jury(self.process.brake, self._fleet)

    def clock(self) -> float:
        """Virtual seconds. They pass a little with each call, or rounding could make a moment last for ever."""
        self._seen = max(asyncio.get_running_loop().time(), self._seen + 1e-7)
        return self._seen

    def stamp(self) -> int:
        """Redis' time in microseconds; never the same twice."""
        self._stamp = max(self._stamp + 1, int(self.clock() * 1e6))
        return self._stamp

    def push(self, users: Iterable[str], *, size: int = 0) -> list[int]:
        """Pushes an event for each user, with this many bytes of text. Returns their numbers."""
        text = b"x" * size
        numbers = []
        for user in users:
            number = self.list.pushed
            self.users.setdefault(user, []).append(number)
            event = b'{"user_id":"%b","name":"n","date":"2016-09-11","n":%d,"x":"%b"}' % (user.encode(), number, text)
            self.list.push([event])
            numbers.append(number)
        self.pushed.set()
        return numbers

    async def own(self, stopping: Stopping | None = None) -> Ending:
        """One ownership of the list, to its end."""
        lease = VirtualLease(self, self.settings.lease_ttl)
        await self.process.availabilities.of("virtual").until(lease.acquire)
        share = limits(self.settings, lists=1)
        self.ownership = ownership = Ownership(self.process, 0, VirtualClaims(self, lease), _NO_REDIS, share)
        ownership.settler.allow(self._allowed)
        beating = asyncio.create_task(self._beat(ownership))
        try:
            await ownership.run(stopping or Stopping(asyncio.Event(), asyncio.Event()))
        finally:
            beating.cancel()
        return ownership.gate.closed.result()

    async def _beat(self, ownership: Ownership) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            if halt := await self._jury.meet(1, [ownership.settler]):
                ownership.gate.close(Halted(halt))

    async def run_until(self, holds: Callable[[], object], *, within: float) -> float:
        """Owns the list until `holds()` is true. Then ends as after SIGKILL, without a settlement. Returns when."""
        owning = asyncio.create_task(self.own())
        deadline = self.clock() + within
        while not (holds() or owning.done()):
            assert self.clock() < deadline, f"did not come about within {within} virtual seconds"
            await asyncio.sleep(1.0)
        ended = self.clock()
        await self.kill(owning)
        return ended

    async def kill(self, owning: asyncio.Task[Ending]) -> None:
        """Ends an ownership without a settlement. If it has failed by itself, the test fails."""
        if not owning.done():
            self.kills.append(self.clock())
            owning.cancel()
        with suppress(asyncio.CancelledError):
            await owning

    @property
    def idle(self) -> bool:
        """Whether everything is settled."""
        return not (self.list.waiting or self.list.claimed)

    def history(self, bad: dict[int, str] | None = None) -> History:
        """What an observer knows, for the checker."""

        def number(element: bytes) -> int:
            return int(json.loads(element)["n"])

        return History(
            pushed=self.users,
            posts=self.api.accepted,
            letters=[(number(element), reason) for element, reason in self.list.letters],
            waiting=[number(element) for element in self.list.waiting],
            claimed=[number(element) for element in self.list.claimed.values()],
            bad=bad or {},
            disturbances=self.kills,
        )


def virtually(main: Coroutine[Any, Any, T], *, seed: int) -> T:
    """Runs on a virtual clock. `seed` decides every random number."""
    print(f"seed {seed}")
    before = random.getstate()
    random.seed(seed)
    try:
        with quiet(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main)
    finally:
        random.setstate(before)
