"""Looks at a simulated fleet once a second, and says which promise is broken now."""

import asyncio

from tests.support.fleet.world import World

#: Seconds of calm after which an event of a user who is not odd must be accepted within as many seconds: a backoff
#: lasts a minute at most, and a burst is sent in less.
_PATIENCE = 120.0
#: Seconds that a list may be without an owner while a worker could own it: a lease, and a few heartbeats.
_UNOWNED = 45.0
#: Dead letters of a broken deploy, at most, beside one for each worker: `deploy/guarantees.md`.
_BRAKE = 104
#: What may be in memory beside the configured number of events: the reserve of an eighth; and as much again while lists
#: move.
_ROOM = 2 * 9 / 8


class Observer:
    """Judges what can be judged while it happens.

    Attributes:
        active: the faults of this moment that may keep events from being accepted.
        odd: users who get odd answers, or whose events wait behind them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.active: list[str] = []
        self._calm_since = 0.0
        self._unowned: dict[int, float] = {}
        self.most_workers = 0
        self._told: set[str] = set()
        #: Whether a person has let refusals through. Then letters say nothing about the brake any more.
        self.allowed = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.look()

    def look(self) -> None:
        world = self._world
        self.most_workers = max(self.most_workers, len(world.members))
        for member in list(world.members.values()):
            if member.task.done() and not member.stopping.orderly.is_set():
                error = None if member.task.cancelled() else member.task.exception()
                world.violated(f"{member.name} has ended by itself: {error!r}")
                world.gone(member)
        if self.active or world.is_halted:
            self._calm_since = world.now()
        self._is_everybody_served()
        self._is_every_list_owned()
        self._is_memory_bounded()
        self._does_the_brake_hold()

    def _once(self, what: str, detail: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._world.violated(detail)

    def _is_everybody_served(self) -> None:
        world, now = self._world, self._world.now()
        if now - self._calm_since < _PATIENCE:
            return
        number, (user, since) = next(iter(world.outside.open.items()), (0, ("", now)))
        if max(since, self._calm_since) < now - _PATIENCE:
            self._once("served", f"event {number} of {user} waits since {since:.1f} s, and nothing is wrong")

    def _is_every_list_owned(self) -> None:
        world, now = self._world, self._world.now()
        if now - self._calm_since < 1.0 or self.workers_well < 1:
            self._unowned.clear()
            return
        owned = {shard for member in world.members.values() if not member.is_frozen for shard in member.owned}
        for shard in range(world.size.lists):
            if shard in owned:
                self._unowned.pop(shard, None)
            elif now - self._unowned.setdefault(shard, now) > _UNOWNED:
                self._once(f"list {shard}", f"list {shard} has had no owner for {_UNOWNED:.0f} s")

    @property
    def workers_well(self) -> int:
        members = self._world.members.values()
        return sum(not member.is_frozen and not member.stopping.orderly.is_set() for member in members)

    def _is_memory_bounded(self) -> None:
        for member in self._world.members.values():
            if hasattr(member, "condition"):
                held = sum(stock.events for stock in member.process.stocks)
                most = member.process.settings.max_buffered_events * _ROOM
                if held > most:
                    self._once("memory", f"{member.name} holds {held} events in memory, promised: {most:.0f}")

    def _does_the_brake_hold(self) -> None:
        """In the first broken deploy, before a person lets anything through."""
        world = self._world
        if self.allowed or not world.deployed:
            return
        letters = world.letters - (len(world.bad) - world.deployed)
        if letters > _BRAKE + self.most_workers:
            self._once("brake", f"{letters} dead letters of a broken deploy")

    @property
    def shares(self) -> list[int]:
        """How many lists each worker owns."""
        return sorted(len(member.owned) for member in self._world.members.values())

    @property
    def is_fair(self) -> bool:
        shares = self.shares
        return sum(shares) == self._world.size.lists and shares[-1] - shares[0] <= 1

    async def fair_shares(self) -> None:
        """Returns when every worker has its share."""
        while not self.is_fair:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(1.0)

    async def nothing_left(self) -> None:
        """Returns when every event is decided."""
        while self._world.undecided:  # noqa: ASYNC110 - Redis does not tell
            await asyncio.sleep(5.0)
