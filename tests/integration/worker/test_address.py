"""What a worker knows of its API address, and what Redis remembers of it."""

import asyncio

import pytest

from forwarder.api.credentials import Credentials
from forwarder.api.doubts import Doubts
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.selection import Filter
from forwarder.operations.resume import end_halt
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import shard_of
from forwarder.simulator import Answer, Faults, UserAnswer
from forwarder.worker.address import Address
from tests.support.faults import fault
from tests.support.servers.raw_api import GOOD, raw
from tests.support.service import event, eventually
from tests.support.world import World

#: What a load balancer, or a TLS port that gets plain HTTP, answers to everything.
BAD_REQUEST = Answer(status=400, body="<html>400 Bad Request</html>", content_type="text/html")


def users(status: int, *names: str) -> Faults:
    return Faults(users={name: UserAnswer(status=status) for name in names})


async def letters(world: World) -> dict[str, str]:
    """The reasons of the dead letters, by user."""
    found = Letters(Queue(world.redis, world.queue, 1)).select(Filter())
    return {letter.user_id: letter.reason async for letter in found}


async def test_a_later_worker_knows_the_address_that_an_earlier_one_has_used(world: World) -> None:
    await world.push(event("well", 1))
    queue = Queue(world.redis, world.queue, 1)
    async with world.service():
        await world.settled()
        await eventually(queue.address, what="the address is remembered")
    await world.redis.expire(QueueKeys(world.queue).address, 60)
    world.api.faults = users(404, "a", "b", "c", "d")
    await world.push(*(event(user, 1) for user in "abcd"))
    async with world.service():
        await world.settled()
        assert await letters(world) == dict.fromkeys("abcd", "rejected")
        assert await world.redis.ttl(QueueKeys(world.queue).address) <= 60, "nothing was accepted since"
        await world.push(event("well", 2))
        await eventually(lambda: _renewed(world), what="it is remembered for a week from now")


async def _renewed(world: World) -> bool:
    return bool(await world.redis.ttl(QueueKeys(world.queue).address) > 600_000)


async def test_with_each_heartbeat_a_worker_learns_from_the_others_and_notes_its_own_202_once_an_hour(
    world: World,
) -> None:
    queue, key, now = Queue(world.redis, world.queue, 1), QueueKeys(world.queue).address, 0.0
    doubts = Doubts(Credentials("a-key", None), "mine", lambda: 0)
    address = Address(queue, doubts, lambda: now)
    await queue.note_address("another")
    await address.attend()
    assert (doubts.known, await queue.address()) == (False, "another")
    await queue.note_address("mine")
    await address.attend()
    assert doubts.known
    notes = []
    for moment in range(0, 3 * 3600, 600):
        now = float(moment)
        await world.redis.delete(key)
        doubts.accepted()
        await address.attend()
        notes.append(await queue.address() == "mine")
    assert [n for n, noted in enumerate(notes) if noted] == [0, 6, 12]
    await world.redis.delete(key)
    now += 3600
    await address.attend()
    await address.attend()
    assert await queue.address() == "mine", "the last 202 is within the last hour but one"
    await world.redis.delete(key)
    now += 3600
    await address.attend()
    assert await queue.address() == "", "nothing was accepted since"


@fault(
    "API",
    "an address that has never answered 202 answers 400 in HTML to everything",
    "the service halts; after `resume` the 400 is believed",
    keeps=(1, 5),
)
async def test_after_a_resume_the_address_is_believed_by_whichever_process_comes_next(world: World) -> None:
    world.api.faults = Faults(status_all=BAD_REQUEST)
    await world.push(*(event(f"u{n}", n) for n in range(5)))
    queue = Queue(world.redis, world.queue, 1)
    async with world.service():
        halt = await eventually(queue.halt, what="the service halts")
        assert halt.reason == "misdirected"
        assert "malformed" in halt.detail
        assert "proxy" in halt.detail
        assert (await world.census()).letters == 0
    await end_halt(queue)
    async with world.service():
        await world.settled()
    assert set((await letters(world)).values()) == {"rejected"}


async def test_a_single_user_at_a_wrong_address_suffices_where_it_is_the_only_one(world: World) -> None:
    world.api.faults = Faults(status_all=Answer(status=404))
    await world.push(event("u", 1))
    async with world.service():
        halt = await eventually(Queue(world.redis, world.queue, 1).halt, what="the service halts")
    assert "all users with events here" in halt.detail
    assert world.api.posts[404] == 3


async def test_a_user_of_another_list_counts_among_those_with_events_here(world: World) -> None:
    unknown, failing = (next(f"u{n}" for n in range(100) if shard_of(f"u{n}", 2) == shard) for shard in range(2))
    world.api.faults = Faults(users={unknown: UserAnswer(status=404), failing: UserAnswer(status=503)})
    await world.redis.rpush(f"{world.queue}:1", event(failing, 1))
    async with world.service(shards=2):
        await eventually(lambda: world.api.posts[503])
        await world.redis.rpush(f"{world.queue}:0", event(unknown, 1))
        await eventually(lambda: world.api.posts[404] >= 5)
        assert await Queue(world.redis, world.queue, 2).halt() is None


@pytest.mark.parametrize("status", [451, 404])
@fault(
    "API",
    "451 for an erased user, or 404 for an unknown one, with twenty events",
    "one POST; all of them become dead letters",
    keeps=(1,),
)
async def test_the_events_of_an_erased_user_go_together_and_one_post_decides(world: World, status: int) -> None:
    await world.push(event("well", 1))
    async with world.service():
        await world.settled()
        world.api.faults = users(status, "gone")
        await world.push(*(event("gone", n) for n in range(20)))
        await world.settled()
    assert await letters(world) == {"gone": "erased" if status == 451 else "rejected"}
    assert ((await world.census()).letters, world.api.posts[status]) == (20, 1)


@pytest.mark.parametrize("path", ["", "/", "/a%20b/c;d=e/@:!$&'()*+,~-._%2F", "//twice/..."])
async def test_the_path_of_the_address_is_sent_exactly_as_it_is_written(world: World, path: str) -> None:
    await world.push(event("u/1", 1))
    async with raw(times=0) as api, world.service(api_url=api.url + path):
        await world.settled()
    (request,) = api.requests
    assert request.startswith(f"POST {path.rstrip('/')}/v6/users/u%2F1/events HTTP/1.1\r\n".encode())


UNREADABLE = b"HTTP/1.1 202 Accepted\r\nX : 1\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("events", [1, 20])
@fault(
    "API",
    "its answers cannot be parsed",
    "the POST is retried; after three users with such answers the service halts",
    keeps=(1, 5),
)
async def test_answers_that_cannot_be_parsed_halt_after_three_users(world: World, events: int) -> None:
    async def garbled(writer: asyncio.StreamWriter) -> None:
        writer.write(UNREADABLE)

    await world.push(*(event(f"u{n}", n) for n in range(events)))
    async with raw(garbled, times=1_000) as api, world.service(api_url=api.url, retry_max=0.1, concurrency=1):
        halt = await eventually(Queue(world.redis, world.queue, 1).halt, what="the service halts")
        assert (halt.reason, "Invalid header token" in halt.detail) == ("misdirected", True)
        assert len(api.requests) <= 5
    now = await world.census()
    assert (now.waiting + now.claimed, now.letters) == (events, 0)


async def test_one_user_whose_answers_cannot_be_parsed_halts_nothing(world: World) -> None:
    async def garbled(writer: asyncio.StreamWriter) -> None:
        writer.write(UNREADABLE if b"/users/u/" in api.requests[-1] and len(api.requests) < 40 else GOOD)

    await world.push(event("u", 1), *(event("well", n) for n in range(20)))
    async with (
        raw(garbled, times=1_000) as api,
        world.service(api_url=api.url, retry_initial=0.01, max_events_per_post=1),
    ):
        await world.settled()
    assert (await world.census()).accepted == 21
