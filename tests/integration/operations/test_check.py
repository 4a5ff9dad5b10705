"""What `forwarder check` says of what answers at the API's address, of Redis, and of the queue."""

import re
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.operations.check import Finding, examine
from forwarder.outcome import HaltReason
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.simulator import Answer, Faults
from tests.support.service import event
from tests.support.world import World

BAD_REQUEST = Answer(status=400, body="<html>400 Bad Request</html>", content_type="text/html")


async def found(world: World) -> Finding:
    """The finding about the API."""
    settings, queue = world.settings(), Queue(world.redis, world.queue, 1)
    async with Api.from_settings(settings, Credentials.from_settings(settings)) as api:
        (about,) = [finding async for finding in examine(settings, queue, api) if finding.what == "api"]
    return about


async def test_the_api_is_approved(world: World) -> None:
    assert (await found(world)).grade == "ok"


@pytest.mark.parametrize(
    "answer", [BAD_REQUEST, Answer(status=400, body=""), Answer(status=400, body="[]"), Answer(status=400, body="{")]
)
async def test_something_that_answers_400_to_everything_is_not_approved(world: World, answer: Answer) -> None:
    world.api.faults = Faults(status_all=answer)
    finding = await found(world)
    assert finding.grade == "failure"
    assert "something that answers 400 to everything" in finding.detail


async def test_an_address_that_has_answered_202_is_approved_whatever_its_400_looks_like(world: World) -> None:
    world.api.faults = Faults(status_all=BAD_REQUEST)
    settings = world.settings()
    api = Api.from_settings(settings, Credentials.from_settings(settings))
    await Queue(world.redis, world.queue, 1).note_address(api.fingerprint)
    assert (await found(world)).grade == "ok"


@pytest.mark.parametrize("status", [200, 403, 404, 418, 422, 451, 503])
async def test_any_other_status_is_not_approved(world: World, status: int) -> None:
    world.api.faults = Faults(status_all=Answer(status=status))
    finding = await found(world)
    assert finding.grade == "failure"
    assert str(status) in finding.detail


async def of_queue(settings: Settings, redis: Redis) -> dict[str, Finding]:
    """The findings about Redis and the queue, by what they are about."""
    queue = Queue(redis, settings.queue, 1)
    return {finding.what: finding async for finding in examine(settings, queue, None)}


@pytest_asyncio.fixture
async def small(own_redis: Callable[..., EmbeddedRedis]) -> AsyncIterator[Redis]:
    """A Redis of its own, which the test may fill."""
    async with Redis.from_url(own_redis(port=None).url) as redis:
        yield redis


async def fill(redis: Redis, part: float) -> None:
    """Gives Redis so little memory that this part of it is used, or a little more."""
    await redis.config_set("maxmemory", int((await redis.info("memory"))["used_memory"] / part))


async def test_a_redis_with_room_is_approved_with_its_numbers(world: World, small: Redis) -> None:
    await small.config_set("maxmemory", 100 * 2**20)
    memory = (await of_queue(world.settings(), small))["memory"]
    assert memory.grade == "ok"
    assert re.fullmatch(r"\d+% used: [\d.]+ MiB of 100\.0 MiB", memory.detail)


async def test_a_redis_that_is_nearly_full_is_a_warning_and_one_that_is_full_is_a_failure(
    world: World, small: Redis
) -> None:
    await small.rpush(world.queue, *(event("u", n, filler="x" * 10_000) for n in range(3_000)))
    await fill(small, 0.93)
    memory = (await of_queue(world.settings(), small))["memory"]
    assert memory.grade == "warning"
    assert memory.detail.startswith("Redis is nearly full: 9")
    await fill(small, 1.001)
    with pytest.raises(OutOfMemoryError):
        await small.rpush(world.queue, event("u", 0))
    memory = (await of_queue(world.settings(), small))["memory"]
    assert memory.grade == "failure"
    assert memory.detail.startswith("Redis is full: 100% used: ")
    assert "Pushes are refused" in memory.detail
    assert "`redis-cli CONFIG SET maxmemory 2gb`" in memory.detail


async def test_a_redis_that_evicts_is_a_warning_with_the_command_that_ends_it(world: World, small: Redis) -> None:
    await small.config_set("maxmemory", 100 * 2**20)
    assert (await of_queue(world.settings(), small))["memory policy"].grade == "ok"
    await small.config_set("maxmemory-policy", "allkeys-lru")
    policy = (await of_queue(world.settings(), small))["memory policy"]
    assert policy.grade == "warning"
    assert policy.detail.startswith("allkeys-lru: a full Redis deletes events.")
    assert "`redis-cli CONFIG SET maxmemory-policy noeviction`" in policy.detail


async def test_events_that_wait_for_nobody_are_a_warning(world: World) -> None:
    assert "no worker" not in await of_queue(world.settings(), world.redis)
    await world.push(event("u", 1))
    alone = (await of_queue(world.settings(), world.redis))["no worker"]
    assert alone.grade == "warning"
    assert alone.detail == (
        "No worker is running. Nothing is sent. Events can be pushed, and they wait in Redis. 1 event waits. "
        "Start a worker: `forwarder run`."
    )


@pytest.mark.parametrize(
    ("reason", "first"),
    [(HaltReason.CREDENTIALS, "FORWARDER_API_KEY_FILE"), (HaltReason.MISDIRECTED, "FORWARDER_API_URL")],
)
async def test_a_halt_says_what_to_correct_before_it_says_resume(world: World, reason: HaltReason, first: str) -> None:
    await Queue(world.redis, world.queue, 1).write_halt(HaltRecord(reason, "the API answered 401", "2024-01-01", "f"))
    halt = (await of_queue(world.settings(), world.redis))["halt"]
    assert halt.grade == "failure"
    assert halt.detail.startswith("Halted: ")
    assert "since 2024-01-01: The API answered 401. " in halt.detail
    assert 0 < halt.detail.index(first) < halt.detail.index("Only if ") < halt.detail.index("`forwarder resume`")
    assert "forwarder check" not in halt.detail
