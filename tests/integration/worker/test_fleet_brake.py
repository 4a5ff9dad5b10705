"""The dead-letter brake of a whole fleet, on the running service: a broken deploy halts it, one user never does."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from forwarder.operations.resume import end_halt
from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import list_name, shard_of
from forwarder.simulator import Answer, Faults, Refusal, UserAnswer
from tests.support.faults import fault
from tests.support.owners import owners, shared_fairly
from tests.support.service import event, eventually, running
from tests.support.world import World

SHARDS = 8
USERS = [f"u{number}" for number in range(400)]
#: What the whole fleet may write before it halts: see `tests/property/test_brake_model.py`.
LETTERS = 104


@dataclass
class Fleet:
    """Workers in this process, one for each list."""

    world: World
    queue: Queue

    async def push(self, elements: Iterable[tuple[str, bytes]]) -> None:
        lists: dict[str, list[bytes]] = {}
        for user, element in elements:
            lists.setdefault(list_name(self.queue.name, shard_of(user, SHARDS), SHARDS), []).append(element)
        await asyncio.gather(*(self.world.redis.rpush(name, *found) for name, found in lists.items()))

    async def counts(self) -> Census:
        first, *others = await self.queue.censuses()
        return sum(others, first)

    async def halts(self) -> str:
        """Waits until the fleet is halted by the brake and each worker has given its list back. Returns the detail."""

        async def all_given_back() -> bool:
            return await self.queue.halt() is not None and not any(await owners(self.queue))

        await eventually(all_given_back, what="the fleet halts")
        halt = await self.queue.halt()
        assert halt
        assert halt.reason == "dead_letter_brake"
        return halt.detail

    async def reported(self) -> bool:
        """Whether the workers have reported a POST for each user."""
        reports: list[Any] = await self.world.redis.lrange(QueueKeys(self.queue.name).decisions, 0, -1)
        return sum(int(report.split()[2]) for report in reports) == len(USERS)

    async def fair(self) -> None:
        async def shared() -> bool:
            return shared_fairly(await owners(self.queue), SHARDS)

        await eventually(shared, what="each worker has its list")

    async def drained(self) -> Census:
        async def empty() -> Census | None:
            now = await self.counts()
            return now if not now.waiting + now.claimed else None

        found: Census = await eventually(empty, within=30, what="everything is settled")
        return found


@asynccontextmanager
async def fleet(world: World, **others: object) -> AsyncIterator[Fleet]:
    queue = Queue(world.redis, world.queue, SHARDS)
    async with AsyncExitStack() as stack:
        given = world.settings(shards=SHARDS, concurrency=4, **{"max_events_per_post": 1, **others})
        await asyncio.gather(*(stack.enter_async_context(running(given)) for _ in range(SHARDS)))
        here = Fleet(world, queue)
        await here.fair()
        yield here


def elements(count: int, **members: object) -> list[tuple[str, bytes]]:
    return [(user, event(user, n, **members)) for n, user in enumerate(USERS * (count // len(USERS)))]


def nameless(count: int) -> list[tuple[str, bytes]]:
    """From a producer that has renamed a member."""
    return [(user, element.replace(b'"name"', b'"nam"')) for user, element in elements(count)]


REFUSED = "a bad deploy: every event is refused, in 8 workers on 8 lists"
NAMELESS = "a bad deploy: a member is renamed, so that every element is invalid"
HALTS = "the whole fleet halts within about a hundred dead letters"
EACH_REFUSED, ALL_REFUSED = Faults(refuse=[Refusal(member="n")]), Faults(status_all=Answer(status=404))


@pytest.mark.parametrize(
    ("faults", "bad", "rate", "why"),
    [
        pytest.param(
            Faults(),
            nameless,
            0,
            "name: missing; is nam meant?",
            id="nameless",
            marks=fault("producer", NAMELESS, HALTS, keeps=(1, 5)),
        ),
        pytest.param(
            Faults(), nameless, 120, "name: missing; is nam meant?", id="nameless, at a rate", marks=pytest.mark.long
        ),
        pytest.param(
            EACH_REFUSED,
            elements,
            0,
            "the API answered 400",
            id="single events",
            marks=[pytest.mark.long, fault("producer", REFUSED, HALTS, keeps=(1, 5))],
        ),
        pytest.param(
            EACH_REFUSED, elements, 120, "the API answered 400", id="single events, at a rate", marks=pytest.mark.long
        ),
        pytest.param(ALL_REFUSED, elements, 0, "the API answered 404", id="whole batches", marks=pytest.mark.long),
    ],
)
async def test_a_bad_deploy_costs_the_fleet_a_hundred_letters(
    world: World, faults: Faults, bad: Callable[[int], list[tuple[str, bytes]]], rate: int, why: str
) -> None:
    batch = 10 if faults is ALL_REFUSED else 1
    async with fleet(world, rate_limit=rate, max_events_per_post=batch) as here:
        await here.push(elements(400))
        await here.drained()
        # A second may tell good from bad, and not less: a worker reports with its heartbeat.
        await eventually(here.reported)
        world.api.faults = faults
        began = time.monotonic()
        await here.push(bad(4_000))
        detail = await here.halts()
        now = await here.counts()
        print(f"{now.letters} letters, halted after {time.monotonic() - began:.1f} s: {detail}")
        assert detail.endswith(f"the most frequent reason: {why}")
        assert now.letters <= LETTERS
        assert now.waiting + now.claimed + now.letters == 4_000
        assert not any(now.imbalances.values())


@pytest.mark.long
@pytest.mark.parametrize("part", [10, 2], ids=["a tenth", "half"])
async def test_a_fleet_that_refuses_some_never_halts(world: World, part: int) -> None:
    world.api.faults = Faults(refuse=[Refusal(member="bad")])
    async with fleet(world) as here:
        pushed = [
            (user, event(user, n, **({"bad": 1} if n % part == 0 else {})))
            for n, (user, _) in enumerate(elements(2_000))
        ]
        pushed += nameless(400)[: 400 // part]
        random.shuffle(pushed)
        await here.push(pushed)
        now = await here.drained()
        assert (await here.queue.halt(), now.letters) == (None, 2_000 // part + 400 // part)


@fault(
    "API",
    "404 for one user with hundreds of events, 503 for another, for ever",
    "these become dead letters; nobody else waits, and nothing halts",
    keeps=(1, 2, 6),
)
async def test_what_the_api_answers_to_two_users_never_halts_the_service(world: World) -> None:
    await world.push(*(event(f"u{n}", n) for n in range(40)))
    world.api.faults = Faults(users={"gone": UserAnswer(status=404), "ill": UserAnswer(status=503)})
    async with world.service(max_events_per_post=2, max_attempts=2, max_retry_age=0.0) as service:
        await world.settled()
        await world.push(*(event("gone", n) for n in range(300)), *(event("ill", n) for n in range(20)))

        async def all_letters() -> bool:
            await world.push(event("others", 0))  # in an outage no attempt would count
            return (await world.census()).letters == 320

        await eventually(all_letters)
        await world.settled()
        assert (await service.get("/readyz"))[0] == 200
    assert await Queue(world.redis, world.queue, 1).halt() is None


async def test_what_is_allowed_is_allowed_whoever_asks_and_how_often(world: World) -> None:
    """A worker that reads what is allowed and then stops takes nothing of it away."""
    queue = Queue(world.redis, world.queue, 1)
    await queue.write_halt(HaltRecord("dead_letter_brake", "most were refused", "2026-01-01T00:00:00Z", ""))
    await end_halt(queue, allow_refusals=300)
    world.api.faults = Faults(refuse=[Refusal(member="bad")])
    async with world.service():
        await world.push(*(event(f"u{n}", n, bad=1) for n in range(100)), *[b"{}"] * 50)
        await world.settled()
    async with world.service():
        await world.push(*(event(f"u{n}", n, bad=1) for n in range(100)), *[b"{}"] * 50)
        now = await world.settled()
        assert now.letters == 300, "the invalid ones included"
    assert await queue.lists[0].allowed_refusals() == 0
