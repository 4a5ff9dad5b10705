"""What a survey finds in a real Redis."""

import json

from redis.asyncio import Redis

from forwarder.diagnosis.facts import Setup
from forwarder.operations.status import survey
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from tests.support.claims import owner
from tests.support.letters import bury
from tests.support.service import event, eventually
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


async def test_keys_of_another_type_that_are_only_shown_end_nothing_and_are_named(world: World) -> None:
    keys = QueueKeys(world.queue)
    only_shown = [keys.about, keys.counts, keys.past, Keys(world.queue).dead_groups]
    await world.redis.mset(dict.fromkeys(only_shown, "not ours"))
    async with world.service() as service:
        await world.push(event("u-1", 1), b"no event")
        await world.settled()
        found = await survey(Queue(world.redis, world.queue, 1), Setup())
        assert (found.total.accepted, found.letters, len(found.workers)) == (1, {"invalid": 1}, 1)
        assert "no_worker" not in {each.reason for each in found.findings}
        (odd,) = (each for each in found.findings if each.reason == "foreign_keys")
        assert all(key in odd.detail for key in only_shown[:3])

        async def shown() -> bool:
            page = json.loads((await service.get("/status.json"))[1])
            reasons = {each["reason"] for each in page["findings"]}
            return "foreign_keys" in reasons and page["redis"]["problem"] is None and page["letters"]["kept"] == 1

        await eventually(shown, what="the page shows the rest, and names the keys")
    assert await world.redis.mget(only_shown[:3]) == [b"not ours"] * 3, "what is not ours stays"
