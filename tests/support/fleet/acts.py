"""What happens in each scene: minutes of a fleet with one kind of trouble."""

import asyncio

from forwarder.operations.pause import pause
from tests.support.fleet.outside import ODD
from tests.support.fleet.stage import BEGUN, Stage, beside


async def odd_answers(stage: Stage) -> None:
    """One user or two at a time get every answer that there is, one kind after the other."""
    world = stage.world
    with beside(stage.steadily(9, refused=0.1)):
        for kind in stage.dice.sample(sorted(ODD), len(ODD)):
            world.outside.latency = 0.4, 0.8
            for _ in range(2):
                users = stage.odd(stage.dice.choice([1, 2]))
                stage.trouble(kind, 20.0, users)
                for _ in range(10):
                    world.push(users * 30)
                    await asyncio.sleep(2.0)


async def refused_user(stage: Stage) -> None:
    """Two users push more than the buffer holds, and each of their events is refused."""
    world = stage.world
    world.outside.latency = 0.02, 0.05
    with beside(stage.steadily(14, refused=0.02)):
        await asyncio.sleep(BEGUN)
        world.push(stage.odd(2) * 1_500, bad="rejected")
        await asyncio.sleep(150.0)


async def lonely_user(stage: Stage) -> None:
    """In a quiet hour nearly all events are one user's, and each of them is refused."""
    world = stage.world
    with beside(stage.steadily(1)):
        await asyncio.sleep(BEGUN)
        for _ in range(4):
            world.push(stage.odd(1) * 150, bad="rejected")
            await asyncio.sleep(30.0)


async def failing_crowd(stage: Stage) -> None:
    """A hundred users get no answer for minutes, one after the other. All others are served meanwhile."""
    world = stage.world
    with beside(stage.steadily(8)):
        await asyncio.sleep(BEGUN)
        users = stage.odd(120)
        stage.trouble("timeout", 240.0, users)
        for user in users:
            world.push([user] * 2)
            await asyncio.sleep(1.0)
        await asyncio.sleep(120.0)


async def broken_deploy(stage: Stage) -> None:
    """All is well; then everything that is pushed is refused, until the fleet halts."""
    with beside(stage.steadily(32, refused=0.0)):
        await asyncio.sleep(25.0)
        with stage.broken():
            await stage.halted(within=60.0)
            await asyncio.sleep(5.0)
    await stage.allow_all()


async def allowed_refusals(stage: Stage) -> None:
    """A person lets everything through that is refused, while replies of Redis are lost."""
    await asyncio.sleep(BEGUN)
    with stage.broken():
        stage.world.push(stage.strangers(1_600), bad="rejected")
        await stage.halted(within=120.0)
        await asyncio.sleep(5.0)
    with stage.flaky(0.5):
        await stage.allow_all()
        await asyncio.sleep(20.0)
    await asyncio.sleep(60.0)


async def one_busy_list(stage: Stage) -> None:
    """All that waits is in one list, then in another."""
    with beside(stage.steadily(1)):
        for shard in stage.dice.sample(range(stage.world.size.lists), 3):
            stage.world.push(stage.strangers(1_200, shard=shard))
            await asyncio.sleep(55.0)


async def uneven_arrivals(stage: Stage) -> None:
    """Nearly as many events come as the rate allows, those of a second at once."""
    for _ in range(40):
        stage.world.push(stage.strangers(stage.dice.randint(65, 80)))
        await asyncio.sleep(stage.dice.uniform(1.15, 1.45))


async def half_odd_users(stage: Stage) -> None:
    """Every second POST of two busy users meets a 503 or a 429, and as in everyday life every 200th of others."""
    world = stage.world
    world.outside.latency = 0.4, 0.6
    for answer in stage.dice.sample(["503", "429"], 2):
        users = stage.odd(2)
        stage.trouble(answer, 60.0, users, 0.5)
        stage.trouble(answer, 60.0, None, 0.005)
        world.push(stage.strangers(300))
        with beside(stage.steadily(40, refused=0.0)):
            for _ in range(600):
                world.push(users * 5)
                await asyncio.sleep(0.1)
        await asyncio.sleep(30.0)


async def recovery(stage: Stage) -> None:
    """Many users with many events fail, and recover together."""
    world = stage.world
    world.outside.latency = 0.5, 1.0
    users = stage.strangers(60)
    stage.trouble("503", 60.0, users)
    with stage.observer.wrong("trouble"):
        for _ in range(6):
            world.push(users * 20)
            await asyncio.sleep(10.0)
    await asyncio.sleep(90.0)


async def long_outage(stage: Stage) -> None:
    """The API answers nobody for minutes, while more waits than the buffer holds."""
    world = stage.world
    users = stage.strangers(40)
    for _ in range(2):
        world.push(users * 10)
        stage.trouble(stage.dice.choice(["503", "refused"]), 240.0)
        with stage.observer.wrong("outage"):
            for _ in range(6):
                world.push(users * 10)
                await asyncio.sleep(40.0)
        await asyncio.sleep(90.0)


async def outage_of_few(stage: Stage) -> None:
    """The API answers nobody for a long time, and only two users have events: each is tried again and again."""
    for _ in range(2):
        stage.world.push(stage.strangers(2, shard=0) * 3)
        stage.trouble(stage.dice.choice(["503", "refused"]), 1_200.0)
        with stage.observer.wrong("outage"):
            await asyncio.sleep(1_200.0)
        await asyncio.sleep(120.0)


async def halts(stage: Stage) -> None:
    """A person pauses the service; the key is revoked; processes come and go meanwhile."""
    world = stage.world
    with beside(stage.steadily(5)):
        await asyncio.sleep(BEGUN)
        for is_calm in (True, False, True):
            with stage.world.fault("paused"):
                await pause(world.person, seconds=20.0)
                await asyncio.sleep(stage.dice.uniform(0.0, 5.0))
                if not is_calm:
                    await world.stop(stage.dice.choice(list(world.members.values())))
                    world.start()
                await asyncio.sleep(30.0)
            with stage.observer.wrong("revoke"):
                world.outside.key = f"key-{stage.dice.randrange(10**9)}"
                await asyncio.sleep(15.0)
                world.key_file.write_text(world.outside.key)
                await asyncio.sleep(15.0)


async def comings_and_goings(stage: Stage) -> None:
    """Workers come while replies of Redis are lost; then all is well for a while, and they go."""
    world = stage.world
    with beside(stage.steadily(3)):
        for _ in range(10):
            joined = []
            with stage.flaky(0.2):
                for _ in range(3):
                    joined.append(world.start())
                    world.network.line(joined[-1].name).trouble = 0.2
                    await asyncio.sleep(stage.dice.uniform(0.5, 3.0))
            await asyncio.sleep(stage.dice.uniform(18.0, 22.0))
            for member in joined:
                await world.stop(member)
            await asyncio.sleep(stage.dice.uniform(0.0, 4.0))


async def stalled_redis(stage: Stage) -> None:
    """Redis answers nothing for a few seconds, again and again."""
    world = stage.world
    world.outside.latency = 0.05, 0.1
    with beside(stage.steadily(9)):
        for _ in range(8):
            await asyncio.sleep(stage.dice.uniform(8.0, 12.0))
            world.push(stage.strangers(100))
            await asyncio.sleep(1.0)
            with stage.observer.wrong("hang"):
                world.network.hangs_until = world.now() + 4.0
                for name in world.members:
                    world.excuse(name, world.now() - 1.0, world.now() + 12.0)
                await asyncio.sleep(4.0)
