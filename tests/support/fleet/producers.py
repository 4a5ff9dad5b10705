"""Who pushes: everyday users, a burst now and then, one huge user, and a few events that are no good."""

import asyncio
import random

from tests.support.fleet.world import World

#: Part of the events that the API refuses, and that are no events.
_REFUSED, _INVALID = 0.01, 0.005
#: Most events of one push.
_PUSH = 500


class Producers:
    """Push until they are cancelled.

    Args:
        users: how many there are. Their number of events follows Zipf's law.
        pause: mean seconds between two pushes.
    """

    def __init__(self, world: World, *, users: int, pause: float) -> None:
        self._world = world
        self._dice: random.Random = world.dice("producers")
        self._users = [f"u{number}" for number in range(users)]
        self._weights = [1 / (1 + number) for number in range(users)]
        self._pause = pause
        # A user with refused events alone is seldom: in each fleet there is one that is erased and one unknown.
        world.outside.erased.add("erased")
        world.outside.unknown.add("unknown")

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / self._pause))
            if self._world.takes_pushes:
                self._push()

    def _push(self) -> None:
        dice, world = self._dice, self._world
        if world.broken:
            world.push(dice.choices(self._users, k=dice.randint(20, 200)), bad=world.broken)
            return
        match dice.random():
            case chance if chance < 0.02:
                world.push(["huge"] * dice.randint(100, _PUSH))
            case chance if chance < 0.05:
                world.push(dice.choices(self._users, self._weights, k=dice.randint(100, _PUSH)))
            case chance if chance < 0.08:
                world.push([f"stranger{dice.randrange(10**6)}" for _ in range(dice.randint(50, _PUSH))])
            case chance if chance < 0.10:
                world.push([dice.choice(["erased", "unknown"])])
            case chance if chance < 0.10 + _REFUSED:
                world.push(dice.choices(self._users, k=1), bad="rejected")
            case chance if chance < 0.10 + _REFUSED + _INVALID:
                world.push(dice.choices(self._users, k=1), bad="invalid")
            case _:
                world.push(dice.choices(self._users, self._weights, k=dice.randint(1, 20)))
