"""The end of a world: nothing goes wrong any more, so everything must become well, within known times."""

import asyncio
from itertools import count, islice

from tests.support.fleet.world import World

#: Seconds after the last fault within which everything must be decided: the longest Retry-After, and some more.
DECIDED = 1_500.0
#: Seconds within which every worker must have its fair share: a lease, and a few heartbeats.
_FAIR = 60.0
#: One list alone has a backlog. After these seconds its worker must use this part of the limit, for as long again.
_GRANTED, _USED = 10.0, 0.95


async def everything_is_decided(world: World, within: float = DECIDED) -> None:
    """Waits until no event waits or is claimed. That must come."""
    if not await world.until(lambda: not world.undecided, within=within, every=5.0):
        world.violated("not decided", f"{world.undecided} events, {within:.0f} s after the last fault")


async def shares_are_fair(world: World) -> None:
    """Waits until every worker has its share. That must come."""
    if not await world.until(lambda: world.is_fair, within=_FAIR):
        world.violated("the shares are not fair", f"{world.shares} lists of each worker after {_FAIR:.0f} s")


async def one_list_gets_the_rate(world: World) -> None:
    """One list alone has a backlog. A static division of the rate would leave most of it unused."""
    limit = float(world.settings("nobody").rate_limit)
    name = world.lists[world.dice("ending").randrange(world.size.lists)]
    users = (user for each in count() if world.list_of(user := f"last{each}") == name)
    world.push(islice(users, round(limit * (2 * _GRANTED + 1))))
    await asyncio.sleep(_GRANTED)
    before = world.outside.posts
    await asyncio.sleep(_GRANTED)
    sent = world.outside.posts - before
    if sent < _USED * limit * _GRANTED:
        detail = f"{sent / _GRANTED:.1f} POSTs/s of {limit:g}, while one list alone has a backlog"
        world.violated("the rate is not used", detail)


async def stopped(world: World) -> None:
    """Stops every worker in good order."""
    for member in list(world.members.values()):
        await world.stop(member)


async def end(world: World) -> None:
    """Everything is decided, fair, and at full speed; then every worker is stopped."""
    await everything_is_decided(world)
    if not world.violations:
        await shares_are_fair(world)
        await one_list_gets_the_rate(world)
        await everything_is_decided(world)
    if not world.violations:
        await stopped(world)
