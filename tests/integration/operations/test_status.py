"""What a survey finds in a real Redis."""

from redis.asyncio import Redis

from forwarder.diagnosis.facts import Setup
from forwarder.operations.status import survey
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from tests.support.claims import owner
from tests.support.letters import bury
from tests.support.service import event
from tests.support.world import World


async def test_dead_letters_are_counted_by_reason_whatever_somebody_else_has_written(world: World) -> None:
    elements = [event(f"u{number}", number) for number in range(3)]
    await bury(world.redis, world.queue, elements[:2], ["u0", "u1"])
    await bury(world.redis, world.queue, elements[2:], ["u2"], reason="zoe@example.com")
    found = await survey(Queue(world.redis, world.queue, 1), Setup())
    assert (found.letters, found.facts.letters) == ({"rejected": 2, "other": 1}, 3)


async def test_an_owner_that_is_gone_is_told_from_one_that_runs(redis_client: Redis, queue_name: str) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    await owner(redis_client, Keys(queue_name))
    found = await survey(Queue(redis_client, queue_name, 1), Setup())
    holder = found.lists[0].owner
    assert holder is not None
    assert not holder.alive
    assert holder.lease_seconds > 0
    assert found.findings[0].reason == "orphan"
    assert "delivering" not in {each.reason for each in found.findings}, "nobody delivers anything"
