"""Looks at a fleet once a second, and says which promise is broken now. It judges random worlds and scenes alike."""

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from forwarder.retry import cancelled
from tests.support.fleet.world import World

#: Dead letters of a broken deploy, at most, for each one of the limit, beside one for each worker:
#: `deploy/guarantees.md`.
_BRAKE = 1.04
#: What a worker may hold in memory: the configured number of events, and the reserve of an eighth; and as much again
#: while lists move.
_RESERVED, _WHILE_MOVING = 9 / 8, 2.0
#: Seconds that a list may be without an owner after its worker has died: a lease, and a few heartbeats.
LEASE = 45.0


@dataclass(frozen=True)
class Bounds:
    """What depends on how much is known of the trouble in a world. These are those of a random one.

    Attributes:
        patience: seconds of calm within which an event of a user who is not odd is accepted. A backoff lasts a minute
            at most, and a burst is sent in less.
        free: seconds that a list may be without an owner while no worker has died.
        moving: seconds after a list has moved for which events of its old owner may still be in memory.
        used: which part of its rate a fleet uses while others wait. Judged in scenes.
        unowned: while one of these faults is in force, lists may be without an owner. None: while any is.
    """

    patience: float = 120.0
    free: float = LEASE
    moving: float = math.inf
    used: float = 0.0
    unowned: Collection[str] | None = None


class Observer:
    """Judges what can be judged while it happens.

    Attributes:
        active: the faults in force that may keep events of others from being accepted.
        allowed: whether a person has let refusals through. From then on, dead letters say nothing about the brake.
    """

    def __init__(self, world: World, bounds: Bounds) -> None:
        self._world = world
        self._bounds = bounds
        self.limit = float(world.settings("nobody").rate_limit)
        self._brake = world.settings("nobody").dead_letter_brake
        self.active: list[str] = []
        self.allowed = False
        self._calm_since = 0.0
        self._owned: dict[str, list[int]] = {}
        #: When a list has last moved, and a worker has last died.
        self._moved = self._died = 0.0
        self._free: dict[int, float] = {}
        self._said: set[str] = set()

    @contextmanager
    def wrong(self, name: str) -> Iterator[None]:
        """Until the end of the block, this fault may keep events of others from being accepted."""
        self.active.append(name)
        try:
            with self._world.fault(name):
                yield
        finally:
            self.active.remove(name)

    async def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Looks once a second until the work is done, or a promise is broken."""
        working = asyncio.ensure_future(work)
        while not (working.done() or self._world.violations):
            await asyncio.wait({working}, timeout=1.0)
            self.look()
        if working.done():
            working.result()
        await cancelled([working])

    def look(self) -> None:
        """Judges this moment."""
        world = self._world
        if self.active or world.is_halted:
            self._calm_since = world.now()
        self._workers_run()
        self._owners_are_noted()
        self._others_are_served()
        self._rate_is_kept()
        self._memory_is_bounded()
        self._brake_holds()
        self._lists_are_owned()

    def once(self, kind: str, detail: str) -> None:
        """A promise is broken. Of each kind only the first violation counts."""
        if kind not in self._said:
            self._said.add(kind)
            self._world.violated(kind, detail)

    def _workers_run(self) -> None:
        world = self._world
        for member in list(world.members.values()):
            if member.task.done() and not member.stopping.orderly.is_set():
                error = None if member.task.cancelled() else member.task.exception()
                self.once("a worker has ended by itself", f"{member.name}, {error!r}")
                world.gone(member)

    def _owners_are_noted(self) -> None:
        owned = {name: member.owned for name, member in self._world.members.items()}
        if owned != self._owned:
            self._moved = self._world.now()
        if any(self.has_died(name) for name in self._owned.keys() - owned.keys()):
            self._died = self._world.now()
        self._owned = owned

    def has_died(self, name: str) -> bool:
        """Whether this worker, which is there no more, has not released its lists."""
        return name not in self._world.stopped

    def _others_are_served(self) -> None:
        now, patience = self._world.now(), self._bounds.patience
        number, (user, since) = next(iter(self._world.outside.open.items()), (0, ("", now)))
        if now - max(since, self._calm_since) > patience:
            waits = f"event {number} of {user} waits for {now - since:.0f} s"
            self.once("others are not served", f"{waits}, and nothing general is wrong")

    def _rate_is_kept(self) -> None:
        most, worst = self.limit + self._world.most_workers, self._world.outside.worst
        if self.limit and worst > most:
            self.once("too many POSTs in a second", f"{worst}, of at most {most:g}")

    def _memory_is_bounded(self) -> None:
        is_moving = self._world.now() - self._moved < self._bounds.moving
        for member in self._world.members.values():
            if hasattr(member, "condition"):
                held = sum(stock.events for stock in member.process.stocks)
                most = math.ceil(member.process.settings.max_buffered_events * _RESERVED)
                most = round(most * _WHILE_MOVING) if is_moving else most
                if held > most:
                    self.once("too much is in memory", f"{member.name} holds {held} events, of at most {most}")

    def _brake_holds(self) -> None:
        """In the first broken deploy, before a person lets anything through."""
        world = self._world
        if self.allowed or not world.deployed or not self._brake:
            return
        letters = world.letters - (len(world.bad) - world.deployed)
        most = self._brake * _BRAKE + world.most_workers
        if letters > most:
            self.once("too many dead letters", f"{letters} since everything is refused, of at most {most:.0f}")

    def _lists_are_owned(self) -> None:
        world, now, unowned = self._world, self._world.now(), self._bounds.unowned
        if any(unowned is None or name in unowned for name in self.active) or world.is_halted or not self._workers_well:
            self._free.clear()
            return
        owned = {shard for lists in self._owned.values() for shard in lists}
        most = LEASE if now - self._died <= LEASE else self._bounds.free
        for shard in range(world.size.lists):
            if shard in owned:
                self._free.pop(shard, None)
            elif now - self._free.setdefault(shard, now) > most:
                self.once("a list has no owner", f"list {shard} for {most:.0f} s")

    @property
    def _workers_well(self) -> int:
        members = self._world.members.values()
        return sum(not member.is_frozen and not member.stopping.orderly.is_set() for member in members)
