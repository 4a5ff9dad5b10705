"""A person pauses the service: it finishes what is in flight, waits, and goes on when it is time."""

import json
from pathlib import Path

from forwarder.operations.pause import pause
from forwarder.operations.resume import resume
from forwarder.outcome import PAUSED
from forwarder.queue.keys import QueueKeys
from forwarder.queue.queue import Queue
from tests.support.faults import fault
from tests.support.service import KEY, Running, census, command, environment, event, eventually, running
from tests.support.world import World


async def reason(service: Running) -> str:
    _, text = await service.get("/readyz")
    return str(json.loads(text)["reason"])


async def is_paused(service: Running) -> bool:
    return await reason(service) == PAUSED


@fault(
    "process",
    "paused by a person under load (`forwarder pause`)",
    "what is in flight is finished and settled; the rest waits until `resume`",
    keeps=(1, 2, 3),
)
async def test_a_pause_lets_posts_finish_and_ends_by_command_even_with_on_halt_exit(world: World) -> None:
    world.api.faults = world.api.faults.model_copy(update={"latency": 0.05})
    await world.push(*(event(f"u{n % 200}", n) for n in range(4_000)))
    queue = Queue(world.redis, world.queue, 1)
    async with world.service(max_events_per_post=2, on_halt="exit") as service:
        await eventually(lambda: world.api.ledger.accepted_events > 200)
        assert "until a person resumes" in (await pause(queue, why="database upgrade")).detail
        await eventually(lambda: is_paused(service), what="it is paused")

        async def nobody_owns_it() -> bool:
            return (await census(world.redis, world.queue)).lease is None

        await eventually(nobody_owns_it, what="POSTs in flight are finished, and the list is given back")
        sent, accepted = len(world.api.ledger.accepted), world.api.ledger.accepted_events
        found = await census(world.redis, world.queue)
        assert (found.accepted, found.backlog) == (accepted, 4_000 - accepted)
        await service.shows('forwarder_halted{reason="paused"} 1.0')
        await world.push(event("late", 4_000))
        assert len(world.api.ledger.accepted) == sent
        done = await resume(queue)
        assert done.ended is not None
        assert (done.ended.reason, done.remains) == (PAUSED, None)
        await world.settled()
        await service.shows('forwarder_halted{reason="paused"} 0.0')
    assert world.api.ledger.accepted_events == 4_001


async def test_a_pause_for_a_time_ends_by_itself_and_a_later_one_replaces_it(world: World) -> None:
    queue = Queue(world.redis, world.queue, 1)
    await pause(queue)
    await pause(queue, seconds=0.7)
    async with world.service() as service:
        await eventually(lambda: is_paused(service))
        await world.push(event("u", 1))
        await world.settled()
    assert await world.redis.exists(QueueKeys(world.queue).pause) == 0


async def test_a_pause_may_come_on_top_of_a_halt_and_each_resume_ends_one_of_them(world: World, tmp_path: Path) -> None:
    queue = Queue(world.redis, world.queue, 1)
    file = tmp_path / "key"
    file.write_text(KEY)
    world.api.api_key = "another"
    await world.push(event("u", 1))
    async with running(world.settings(api_key=None, api_key_file=file)) as service:

        async def is_halted() -> bool:
            return await reason(service) == "credentials"

        await eventually(is_halted)
        await pause(queue)
        given = environment(world.settings())
        code, out, _ = await command("retry", environment=given)
        assert (code, "halted" in out) == (77, True)
        code, out, _ = await command("resume", environment=given)
        assert (code, "The pause is over, but the service is still halted (credentials)" in out) == (77, True)
        assert await is_halted()
        # A new key ends the halt, but not the pause.
        await pause(queue)
        file.write_text("another")
        await eventually(lambda: is_paused(service))
        assert (await census(world.redis, world.queue)).backlog == 1
        code, out, _ = await command("resume", environment=given)
        assert (code, "It had been paused since" in out) == (0, True)
        await world.settled()
    assert await command("resume", environment=given) == (0, "The service was neither halted nor paused.\n", "")


async def test_what_somebody_else_wrote_pauses_too(world: World) -> None:
    await world.redis.set(QueueKeys(world.queue).pause, b"maintenance")
    async with world.service() as service:
        await eventually(lambda: is_paused(service))
        assert (await resume(Queue(world.redis, world.queue, 1))).ended is not None
        await world.push(event("u", 1))
        await world.settled()
