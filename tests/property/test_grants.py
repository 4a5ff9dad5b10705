"""The fleet's rate on a real Redis: whatever becomes of workers and of their calls, no more than the limit is granted.

Workers come, go, die, freeze and wake. Replies are lost, calls are repeated, and some arrive long after they were sent.
After each step the grants in the rows and, worker by worker, what each believes to have are added up.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from redis.asyncio import Redis

from forwarder.queue.keys import QueueKeys
from forwarder.queue.wire import scripts
from tests.support.rows import GRANT, LAST, packed, rows

LIMIT = 40.0
#: Rounding, over a few dozen additions.
TINY = 1e-6


@dataclass
class Member:
    """A worker as far as the script knows it; what it may use is what it was last told."""

    id: str
    limit: float = LIMIT
    use: float = 0.0
    eager: int = 0
    came: int = 0
    grant: float = 0.0
    #: The largest grant since the last report that said that the second before is over.
    held: float = 0.0
    calls: Iterator[int] = field(default_factory=lambda: count(1))
    rank: int = 0

    def arguments(self) -> list[str | bytes | int]:
        """Of its next call."""
        about = json.dumps({"name": self.id})
        said = [self.id, next(self.calls), 60_000, 1, self.came, about, self.limit, self.held, self.use, self.eager]
        return [str(each) for each in said]

    def learns(self, reply: list[bytes]) -> None:
        self.came, self.rank = int(reply[1]), int(reply[2])
        self.grant = float(reply[5])
        self.held = max(self.held, self.grant)


class Fleet:
    """Workers of one queue, and the calls that are still on their way."""

    def __init__(self, redis: Redis, queue: str, dice: random.Random) -> None:
        self.redis = redis
        self.queue = queue
        self.keys = QueueKeys(queue)
        self.dice = dice
        self.alive: list[Member] = []
        self.late: list[list[str | bytes | int]] = []
        self._ids = count()

    def join(self, **figures: float) -> Member:
        member = Member(f"w{next(self._ids)}", **figures)  # type: ignore[arg-type]
        self.alive.append(member)
        return member

    async def call(self, arguments: list[str | bytes | int]) -> list[bytes]:
        keys = [self.keys.workers, self.keys.shards, self.keys.about]
        found: list[bytes] = await scripts.run(self.redis, "attend", keys, arguments)
        return found

    async def report(self, member: Member, trouble: str = "") -> None:
        """One heartbeat."""
        if self.dice.random() < 0.8:  # the last one was a second ago
            member.held = member.grant
        member.eager = member.eager + 1 if self.dice.random() < 0.5 else 0
        member.use = max(self.dice.uniform(0, 1.5), self.dice.uniform(0, 1.2) * member.grant)
        arguments = member.arguments()
        if trouble == "late":
            self.late.append(arguments)
            return
        reply = await self.call(arguments)
        if trouble == "reply lost, sent again":
            reply = await self.call(arguments)
        elif trouble == "reply lost, and the first one arrives last":
            self.late.append(arguments)
        if trouble != "reply lost":
            member.learns(reply)

    async def die(self, member: Member) -> None:
        """Is forgotten: its row says that its time is over. By then it has stopped by its own clock."""
        self.alive.remove(member)
        found = await rows(self.redis, self.queue)
        if member.id in found:
            found[member.id][LAST] = 1
            await self.redis.hset(self.keys.workers, member.id, packed(found[member.id]))

    async def grants(self) -> dict[str, float]:
        """Of the rows that count."""
        found = await rows(self.redis, self.queue)
        return {id_: row[GRANT] for id_, row in found.items() if row[LAST] > 1}

    async def check(self, limit: float) -> None:
        grants = await self.grants()
        assert sum(grants.values()) <= limit + TINY, grants
        for member in self.alive:
            assert member.held <= grants.get(member.id, 0.0) + TINY, (member, grants)


TROUBLES = [
    "",
    "",
    "reply lost",
    "reply lost, sent again",
    "reply lost, and the first one arrives last",
    "late",
]


@pytest.mark.parametrize("limits", [[LIMIT], [LIMIT, 10.0, 25.5]], ids=["one limit", "several limits, as in a deploy"])
async def test_never_more_than_the_limit_is_granted(redis_client: Redis, queue_name: str, limits: list[float]) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for history in range(12):
        fleet = Fleet(redis_client, f"{queue_name}-{history}", dice)
        for _ in range(80):
            match dice.randrange(12):
                case 0 | 1 if len(fleet.alive) < 8:
                    fleet.join(limit=dice.choice(limits))
                case 2 if fleet.alive:
                    await fleet.die(dice.choice(fleet.alive))
                case 3 if fleet.alive:
                    gone = fleet.alive.pop(dice.randrange(len(fleet.alive)))
                    await scripts.run(redis_client, "leave", [fleet.keys.workers, fleet.keys.about], [gone.id])
                case 4 if fleet.late:
                    await fleet.call(fleet.late.pop(dice.randrange(len(fleet.late))))
                case _ if fleet.alive:
                    await fleet.report(dice.choice(fleet.alive), dice.choice(TROUBLES))
            await fleet.check(max(limits))


async def test_a_grant_is_lowered_before_another_one_is_raised(redis_client: Redis, queue_name: str) -> None:
    fleet = Fleet(redis_client, queue_name, random.Random(1))
    first, second = fleet.join(), fleet.join()
    first.learns(await fleet.call(first.arguments()))
    assert first.grant == LIMIT
    second.eager = 2
    second.learns(await fleet.call(second.arguments()))
    assert second.grant == 0, "nothing is free"
    first.learns(await fleet.call(first.arguments()))
    assert 0 < first.grant < 1, "it uses nothing and keeps a reserve"
    second.learns(await fleet.call(second.arguments()))
    assert second.grant == 0, "the first one may have used all of it within the last second"
    first.held = first.grant
    first.learns(await fleet.call(first.arguments()))
    second.learns(await fleet.call(second.arguments()))
    assert second.grant == pytest.approx(LIMIT - first.grant, abs=0.01)


async def test_the_part_of_a_worker_that_stopped_is_free_a_second_later(redis_client: Redis, queue_name: str) -> None:
    fleet = Fleet(redis_client, queue_name, random.Random(1))
    first, second = fleet.join(), fleet.join(eager=3)
    first.learns(await fleet.call(first.arguments()))
    await scripts.run(redis_client, "leave", [fleet.keys.workers, fleet.keys.about], [first.id])
    second.learns(await fleet.call(second.arguments()))
    assert (second.rank, second.grant) == (0, 0), "its place is free at once"
    fleet.alive.remove(first)
    fleet.alive.append(first)
    await fleet.die(first)
    second.learns(await fleet.call(second.arguments()))
    assert second.grant == LIMIT


async def test_a_worker_without_a_limit_takes_nothing_from_the_others(redis_client: Redis, queue_name: str) -> None:
    fleet = Fleet(redis_client, queue_name, random.Random(1))
    free, bound = fleet.join(limit=0.0), fleet.join()
    for member in (free, bound, free):
        member.learns(await fleet.call(member.arguments()))
    assert (free.grant, bound.grant) == (0, LIMIT)


async def test_what_becomes_free_is_divided_among_all_who_wait(redis_client: Redis, queue_name: str) -> None:
    """Otherwise the one that asks first would always find something, and ask for more each time."""
    fleet = Fleet(redis_client, queue_name, random.Random(1))
    workers = [fleet.join() for _ in range(5)]
    for _ in range(7):
        for member in workers:
            member.use, member.eager, member.held = member.grant, member.eager + 1, member.grant
            member.learns(await fleet.call(member.arguments()))
    grants = [member.grant for member in workers[1:]]
    print(grants)
    assert min(grants) > 0.1 * max(grants)
