"""`forwarder dead replay` is killed again and again, and run again: each letter is pushed once, in order."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from forwarder.event import replaced
from forwarder.queue.keys import Keys
from tests.support.faults import fault
from tests.support.letters import written
from tests.support.service import census, event, eventually

KILLS = int(os.environ.get("TEST_KILLS", "50"))
#: Letters at once, and most of them between two kills.
_LETTERS, _MOST = 1_000, 80

# Runs the command over and over, each time in a process of its own that need not start Python first: so fifty of
# them take seconds.
_LAUNCHER = """
import os, sys
from forwarder import cli
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.dup2(2, 1)
        sys.argv = ["forwarder", *line.rstrip("\\n").split("\\0")]
        cli.main()
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Launcher:
    """Starts commands, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def start(self, arguments: Sequence[str]) -> int:
        """Starts `forwarder ...` and returns its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write("\0".join(arguments).encode() + b"\n")
        return await self._number()

    async def ended(self) -> int:
        """Waits for its end and returns its exit code, or less than 0 for a signal."""
        return await self._number()

    async def _number(self) -> int:
        assert self._process.stdout is not None
        return int(await asyncio.wait_for(self._process.stdout.readline(), 60))


@asynccontextmanager
async def launcher(environment: Mapping[str, str]) -> AsyncIterator[Launcher]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _LAUNCHER,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Launcher(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def killed(redis: Redis, queue: str, ended: "asyncio.Task[int]", pid: int, letters: int) -> bool:
    """Kills a replay as soon as it has pushed so many letters; False if it came to its end before."""
    counter = Keys(queue).replayed
    until = int(await redis.get(counter) or 0) + letters

    async def reached() -> bool:
        return ended.done() or int(await redis.get(counter) or 0) >= until

    await eventually(reached, pause=0.0)
    if ended.done():
        return False
    os.kill(pid, 9)
    assert await ended in (-9, 0)
    return ended.result() == -9


@pytest.mark.long
@pytest.mark.timeout(60 + KILLS * 4)
@pytest.mark.parametrize(
    ("edit", "most"), [((), KILLS), (("--set", "name=mended"), KILLS // 2)], ids=["as they are", "edited"]
)
@fault(
    "process",
    "`forwarder dead replay` is killed (SIGKILL) at random moments, and run again",
    "each dead letter is pushed once, in order",
    keeps=(1, 2, 3),
)
async def test_a_replay_that_is_killed_at_random_moments_loses_and_doubles_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, edit: tuple[str, ...], most: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    elements: list[bytes] = []
    arguments = ("dead", "replay", "--all", "--yes", *edit)
    kills = 0
    async with launcher({"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}) as launch:
        while kills < most:
            if (await census(redis_client, queue_name)).letters == 0:
                users = [f"u{dice.randrange(50)}" for _ in range(_LETTERS)]
                more = [event(user, len(elements) + n) for n, user in enumerate(users)]
                await written(redis_client, queue_name, more, users)
                elements += more
            pid = await launch.start(arguments)
            ended = asyncio.create_task(launch.ended())
            kills += await killed(redis_client, queue_name, ended, pid, dice.randrange(_MOST))
        await launch.start(arguments)
        assert await launch.ended() == 0
    print(f"{kills} kills, {len(elements)} letters")
    expected = [replaced(element, {"name": b'"mended"'}) for element in elements] if edit else elements
    assert await redis_client.lrange(queue_name, 0, -1) == expected, f"seed {seed}"
    now = await census(redis_client, queue_name)
    assert (now.replayed, any(now.imbalances.values())) == (len(elements), False)
