"""A master dies and a replica is promoted that had not heard of everything: Redis goes back in time."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.faults import fault
from tests.support.promises import Verdict, check, observed
from tests.support.servers.proxy import Proxy
from tests.support.service import WorkerProcess, census, event, eventually, port_of, settings, settled

Start = Callable[[Settings], WorkerProcess]
Servers = Callable[..., EmbeddedRedis]

NOWHERE = ("127.0.0.1", "1")


@dataclass
class Pair:
    """A master and its replica, what was pushed to them, and what went down with a master."""

    proxy: Proxy
    api: Simulator
    queue: str
    master: EmbeddedRedis
    replica: EmbeddedRedis
    pushed: list[bytes] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    uncertain: set[int] = field(default_factory=set)
    unsettled: list[tuple[float, float]] = field(default_factory=list)
    stale_since: float | None = None

    async def push(self, count: int, *, bad: int = 0) -> None:
        """Pushes events of 200 users to the master, the first `bad` of them such as the API refuses."""
        start = len(self.pushed)
        new = [event(f"u{n % 200}", n, **({"bad": 1} if n < start + bad else {})) for n in range(start, start + count)]
        self.pushed += new
        self.bad |= dict.fromkeys(range(start, start + bad), "rejected")
        if self.stale_since is not None:
            self.uncertain |= set(range(start, start + count))
        async with Redis.from_url(self.master.url) as redis:
            await redis.rpush(self.queue, *new)

    async def accepts(self, more: int) -> None:
        """Waits until so many more are accepted, or all there are."""
        least = self.api.ledger.accepted_events + more
        async with Redis.from_url(self.master.url) as redis:

            async def enough() -> bool:
                now = await census(redis, self.queue)
                return self.api.ledger.accepted_events >= least or not (now.waiting or now.claimed)

            await eventually(enough, what=f"{more} more are accepted")

    async def stop_replicating(self) -> None:
        """The replica keeps what it has, and hears nothing more."""
        async with Redis.from_url(self.master.url) as redis:
            await redis.wait(1, 5_000)
        async with Redis.from_url(self.replica.url) as redis:
            await redis.replicaof(*NOWHERE)
        self.stale_since = self.api._clock()

    async def fail_over(self) -> None:
        """The master is killed, the replica promoted, and the address leads to it."""
        self.master.kill()
        async with Redis.from_url(self.replica.url) as redis:
            await redis.replicaof("NO", "ONE")
        self.proxy.lead_to(port_of(self.replica.url))
        assert self.stale_since is not None
        self.unsettled.append((self.stale_since, self.api._clock()))
        self.stale_since = None
        self.master, self.replica = self.replica, self.master

    async def rejoin(self) -> None:
        """The old master comes back, empty, as a replica, and catches up."""
        self.replica.restart()
        async with Redis.from_url(self.replica.url) as redis:
            await redis.replicaof("127.0.0.1", str(port_of(self.master.url)))

            async def up() -> bool:
                return bool((await redis.info("replication"))["master_link_status"] == "up")

            await eventually(up, what="the replica has caught up")

    async def verdict(self) -> Verdict:
        """Once nothing waits and nothing is claimed."""
        async with Redis.from_url(self.master.url) as redis:
            await settled(redis, self.queue, within=60)
            history = await observed(
                self.pushed,
                self.api,
                redis,
                self.queue,
                bad=self.bad,
                uncertain=self.uncertain,
                unsettled=self.unsettled,
            )
        return check(history)


@asynccontextmanager
async def pair(own_redis: Servers, api: Simulator, queue: str) -> AsyncIterator[Pair]:
    api.faults = Faults(latency=0.01, refuse=[Refusal(member="bad")])
    master, replica = own_redis(port=None), own_redis(port=None)
    async with Proxy(port_of(master.url)) as proxy:
        both = Pair(proxy, api, queue, master, replica)
        async with Redis.from_url(replica.url) as redis:
            await redis.replicaof("127.0.0.1", str(port_of(master.url)))

            async def up() -> bool:
                return bool((await redis.info("replication"))["master_link_status"] == "up")

            await eventually(up, what="the replica has caught up")
        yield both


@fault(
    "failover",
    "to a stale replica: claims, settlements and dead letters are lost",
    "the worker notices; everything is adopted or claimed again: duplicates, no loss",
    keeps=(1, 2, 3),
)
async def test_what_a_stale_replica_never_heard_of_is_done_again(
    own_redis: Servers, api: Simulator, worker: Start, queue_name: str
) -> None:
    async with pair(own_redis, api, queue_name) as both:
        process = worker(
            settings(both.proxy.url, queue_name, api, max_events_per_post=4, concurrency=8, dead_letter_brake=0)
        )
        await both.push(3_000, bad=20)
        await both.accepts(500)
        await both.stop_replicating()
        await both.accepts(800)
        await both.fail_over()
        verdict = await both.verdict()
        assert verdict.faults == {}
        assert len(verdict.explained) >= 400, "what was settled since is sent again"
        assert any(line["event"].startswith("lease lost") for line in process.lines())


@fault(
    "failover",
    "to a stale replica: pushes are lost, and new ones take their numbers",
    "no new event is settled under the number of an old one",
    keeps=(1, 2, 3),
)
async def test_pushes_that_take_the_places_of_lost_ones_are_not_taken_for_them(
    own_redis: Servers, api: Simulator, worker: Start, queue_name: str
) -> None:
    async with pair(own_redis, api, queue_name) as both:
        api.faults = Faults(latency=0.05, refuse=[Refusal(member="bad")])
        await both.push(400)
        worker(settings(both.proxy.url, queue_name, api, max_events_per_post=4, concurrency=8, dead_letter_brake=0))
        await both.accepts(400)
        await both.stop_replicating()
        # Known to the master alone, claimed there, and some of them accepted: their numbers follow the 400.
        await both.push(1_000)
        await both.accepts(100)
        lost = both.uncertain.copy()
        await both.fail_over()
        # Before the worker can know: the same numbers, other events.
        await both.push(1_000, bad=10)
        verdict = await both.verdict()
        assert verdict.faults == {}
        everywhere = {n for post in (await _accepted(both)) for n in post}
        assert lost - everywhere, "or no push was lost"


async def _accepted(both: Pair) -> list[tuple[int, ...]]:
    async with Redis.from_url(both.master.url) as redis:
        return [post.numbers for post in (await observed(both.pushed, both.api, redis, both.queue)).posts]


@pytest.mark.long
@fault("failover", "four in a row at random moments, with SIGKILLs", "everything is drained, in order", keeps=(1, 2, 3))
async def test_failovers_at_random_moments_lose_nothing_that_was_replicated(
    own_redis: Servers, api: Simulator, worker: Start, queue_name: str
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    async with pair(own_redis, api, queue_name) as both:
        given = settings(
            both.proxy.url, queue_name, api, max_events_per_post=5, concurrency=8, lease_ttl=2.5, dead_letter_brake=0
        )
        process = worker(given)
        for _ in range(4):
            await both.push(1_500, bad=dice.randrange(10))
            await both.accepts(dice.randrange(1, 600))
            await both.stop_replicating()
            await both.push(dice.randrange(1, 500))
            await both.accepts(dice.randrange(1, 600))
            if dice.random() < 0.5:
                process.kill()
                process = worker(given)
            await both.fail_over()
            await both.rejoin()
        verdict = await both.verdict()
        assert verdict.faults == {}
