"""What goes wrong in a simulated fleet: each fault begins, lasts, and ends, and says what it excuses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from forwarder.errors import ForwarderError
from forwarder.operations.pause import pause
from forwarder.operations.retry import request_retry
from tests.support.fleet.member import Member
from tests.support.fleet.outside import ANSWERS, ODD, TIMEOUT, Trouble
from tests.support.fleet.world import World
from tests.support.promises import SETTLING

Fault = Callable[[World, random.Random], Awaitable[None]]

#: Seconds after a fault of Redis in which a POST that was in flight may still be accepted and not be settled.
_IN_FLIGHT = TIMEOUT + SETTLING


def _some(world: World, dice: random.Random) -> Member:
    return dice.choice(list(world.members.values()))


async def kill(world: World, dice: random.Random) -> None:
    """SIGKILL; another process starts later."""
    await world.kill(_some(world, dice))
    await asyncio.sleep(dice.uniform(0, 60))
    world.start()


async def restart(world: World, dice: random.Random) -> None:
    """SIGTERM; another process starts later."""
    await world.stop(_some(world, dice))
    await asyncio.sleep(dice.uniform(0, 30))
    world.start()


async def more(world: World, dice: random.Random) -> None:
    """A worker more, for a while."""
    member = world.start()
    await asyncio.sleep(dice.uniform(5, 120))
    if member.is_up and not member.is_frozen and member.name in world.members:
        await world.stop(member)


async def freeze(world: World, dice: random.Random) -> None:
    """SIGSTOP, and SIGCONT later: perhaps after its leases have ended."""
    member = _some(world, dice)
    if member.is_frozen:
        return
    since = world.now()
    member.freeze()
    await asyncio.sleep(dice.choice([dice.uniform(0.5, 10), dice.uniform(10, 120)]))
    # What was in flight is answered when it goes on.
    world.excuse(member.name, since - SETTLING, world.now() + SETTLING)
    member.thaw()


async def cut(world: World, dice: random.Random) -> None:
    """One worker is cut off from Redis, and nobody closes its connections."""
    member = _some(world, dice)
    line = world.network.line(member.name)
    line.cut = True
    world.excuse(member.name, world.now() - SETTLING, world.now() + _IN_FLIGHT)
    await asyncio.sleep(dice.choice([dice.uniform(1, 10), dice.uniform(10, 90)]))
    line.cut = member.name not in world.members


async def flaky(world: World, dice: random.Random) -> None:
    """Requests and replies are lost, late, or end their connections."""
    members = dice.sample(list(world.members.values()), dice.randint(1, len(world.members)))
    part, since = dice.choice([0.02, 0.1, 0.3]), world.now()
    for member in members:
        world.network.line(member.name).trouble = part
    await asyncio.sleep(dice.uniform(5, 60))
    for member in members:
        world.network.line(member.name).trouble = 0.0
        if any(name == member.name and at > since for at, name in world.lost):
            world.excuse(member.name, since - SETTLING, world.now() + _IN_FLIGHT)


async def away(world: World, dice: random.Random) -> None:
    """Redis is down for a while. It comes back with its data, and without the scripts that it knew."""
    _all_unsettled(world)
    world.refusing += 1
    world.network.away = True
    world.network.reset()
    await asyncio.sleep(dice.choice([dice.uniform(0.1, 5), dice.uniform(5, 60)]))
    world.look("SCRIPT", "FLUSH")
    world.network.away = False
    world.refusing -= 1


async def hang(world: World, dice: random.Random) -> None:
    """Redis answers nothing for a while, and then everything."""
    _all_unsettled(world)
    world.network.hangs_until = world.now() + dice.choice([dice.uniform(0.5, 5), dice.uniform(5, 45)])
    await asyncio.sleep(world.network.hangs_until - world.now())


async def full(world: World, dice: random.Random) -> None:
    """Redis is full, and evicts nothing."""
    world.refusing += 1
    world.look("CONFIG", "SET", "maxmemory", 1)
    await asyncio.sleep(dice.uniform(5, 60))
    world.look("CONFIG", "SET", "maxmemory", 0)
    world.refusing -= 1


async def failover(world: World, dice: random.Random) -> None:
    """A replica that lags behind becomes the master."""
    since, known = world.now(), world.numbers
    kept = [(key, world.look("PTTL", key), world.look("DUMP", key)) for key in sorted(world.look("KEYS", "*"))]
    await asyncio.sleep(dice.uniform(0.05, 3))
    behind = world.now() - since
    world.look("CONFIG", "SET", "maxmemory", 0)  # the replica is not full
    world.look("FLUSHALL")
    for key, milliseconds, content in kept:
        if milliseconds == -1 or milliseconds > behind * 1000:
            world.look("RESTORE", key, 0 if milliseconds == -1 else round(milliseconds - behind * 1000), content)
    world.look("SCRIPT", "FLUSH")
    world.network.reset()
    world.forgotten.append((since - SETTLING, world.now() + _IN_FLIGHT))
    for number in range(known + 1, world.numbers + 1):
        world.uncertain.add(number)
        world.outside.open.pop(number, None)


def _all_unsettled(world: World) -> None:
    for name in world.members:
        world.excuse(name, world.now() - SETTLING, world.now() + _IN_FLIGHT)


async def trouble(world: World, dice: random.Random) -> None:
    """The API answers something else to a part of all POSTs."""
    name = dice.choice(list(ANSWERS))
    seconds = dice.uniform(5, 120)
    part = dice.choice([0.05, 0.3, 1.0])
    world.outside.troubles.append(Trouble(name, ANSWERS[name], world.now() + seconds, part))
    await asyncio.sleep(seconds)


async def outage(world: World, dice: random.Random) -> None:
    """The API answers nobody, for up to an hour. A person may ask to try now."""
    name = dice.choice(["503", "refused", "timeout", "500 later"])
    seconds = dice.uniform(120, 3600)
    until = world.now() + seconds
    world.outside.troubles.append(Trouble(name, ANSWERS[name], until))
    await asyncio.sleep(seconds * dice.random())
    with suppress(ForwarderError):
        await request_retry(world.person)
    await asyncio.sleep(max(0.0, until - world.now()))


async def odd(world: World, dice: random.Random) -> None:
    """One user or two get an odd answer to everything. It must not concern the others."""
    name = dice.choice(list(ODD))
    users = {f"odd{dice.randrange(10**6)}" for _ in range(dice.choice([1, 1, 2]))}
    seconds = dice.uniform(60, 900)
    world.outside.troubles.append(Trouble(name, ODD[name], world.now() + seconds, users=users))
    until = world.now() + seconds
    while world.now() < until:
        if world.takes_pushes:
            world.push(sorted(users) * dice.choice([1, 5, 300]))
        await asyncio.sleep(dice.uniform(1, 60))


async def revoke(world: World, dice: random.Random) -> None:
    """The key is revoked. A person writes the new one into its file later."""
    world.outside.key = f"key-{dice.randrange(10**9)}"
    await asyncio.sleep(dice.uniform(5, 120))
    world.key_file.write_text(world.outside.key)


async def deploy(world: World, dice: random.Random) -> None:
    """A broken deploy: everything that is pushed is refused, or is no event, until a person has mended it."""
    world.broken = dice.choice(["rejected", "invalid"])
    await asyncio.sleep(dice.uniform(5, 60))
    world.broken = ""


async def paused(world: World, dice: random.Random) -> None:
    """A person pauses the service, for a time."""
    seconds = dice.uniform(5, 60)
    with suppress(ForwarderError):
        await pause(world.person, seconds=seconds)
        world.paused_until = world.now() + seconds + 2
    await asyncio.sleep(seconds)


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        kill,
        restart,
        more,
        freeze,
        cut,
        flaky,
        away,
        hang,
        full,
        failover,
        trouble,
        outage,
        odd,
        revoke,
        deploy,
        paused,
    )
}
#: These break nothing that the observer relies on when it says that all users are served.
HARMLESS = frozenset({"odd", "more"})
