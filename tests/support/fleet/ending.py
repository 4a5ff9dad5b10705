"""The end of a world: nothing goes wrong any more, so everything must become well, within known times."""

import asyncio
from collections.abc import Coroutine
from itertools import count, islice
from typing import Any

from tests.support.fleet.observer import Observer
from tests.support.fleet.world import World

#: Seconds after the last fault within which everything must be decided: the longest Retry-After, and some more.
_DECIDED = 1_500.0
#: Seconds within which every worker must have its fair share: a lease, and a few heartbeats.
_FAIR = 60.0
#: One list alone has a backlog. After so many seconds its worker must use this part of the limit, for as long again.
_GRANTED, _USED = 10.0, 0.95


class Ending:
    """Waits for what must come, and says what does not come."""

    def __init__(self, world: World, observer: Observer) -> None:
        self._world = world
        self._observer = observer

    async def run(self) -> None:
        world = self._world
        await _within(_DECIDED, self._observer.nothing_left())
        if world.undecided:
            world.violated(f"{world.undecided} events are not decided {_DECIDED:.0f} s after the last fault")
            return
        await _within(_FAIR, self._observer.fair_shares())
        if not self._observer.is_fair:
            world.violated(f"the shares are not fair after {_FAIR:.0f} s: {self._observer.shares}")
        await self._full_speed(float(world.settings("nobody").rate_limit))
        for member in list(world.members.values()):
            await world.stop(member)

    async def _full_speed(self, limit: float) -> None:
        """A static division of the rate would leave most of it unused here."""
        world = self._world
        name = world.lists[world.dice("ending").randrange(world.size.lists)]
        users = (user for each in count() if world.list_of(user := f"last{each}") == name)
        world.push(islice(users, round(limit * (2 * _GRANTED + 1))))
        await asyncio.sleep(_GRANTED)
        before = world.outside.posts
        await asyncio.sleep(_GRANTED)
        sent = world.outside.posts - before
        if sent < _USED * limit * _GRANTED:
            world.violated(f"{sent / _GRANTED:.1f} POSTs/s of {limit:g} while one list alone has a backlog")
        await _within(_DECIDED, self._observer.nothing_left())


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait({waiting := asyncio.create_task(work)}, timeout=seconds)
    waiting.cancel()
