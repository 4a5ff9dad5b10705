"""A wrong key, a wrong URL or a broken deploy never empties the queue: the service halts and keeps everything."""

import asyncio
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from forwarder.errors import ExitOnHaltError
from forwarder.operations.resume import end_halt
from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.simulator import Answer, Faults, Refusal, UserAnswer
from tests.support.faults import fault
from tests.support.servers.proxy import Proxy
from tests.support.service import KEY, Running, census, event, eventually, port_of, running, settings
from tests.support.world import World


async def halted(service: Running) -> dict[str, str]:
    """What /readyz says once the service is halted."""

    async def said() -> dict[str, str] | None:
        status, text = await service.get("/readyz")
        found: dict[str, str] = json.loads(text)
        return found if status == 503 and found["state"] == "halted" else None

    found: dict[str, str] = await eventually(said, what="the service halts")
    return found


async def given_back(redis: Redis, queue: str) -> Census:
    """Waits until the list has no owner and the halt is written: a halted worker's POSTs come to their end first."""

    async def free() -> Census | None:
        now = await census(redis, queue)
        return now if now.lease is None and await Queue(redis, queue, 1).halt() else None

    found: Census = await eventually(free, what="the lease is free, and the halt is written")
    return found


async def untouched(redis: Redis, queue: str, events: int) -> None:
    now = await given_back(redis, queue)
    assert (now.waiting + now.claimed, now.letters) == (events, 0), now
    assert not any(now.imbalances.values()), now


@fault("API", "401: the key was revoked", "the service halts; a new key in the file ends the halt", keeps=(1, 5))
async def test_401_halts_within_one_round_and_a_new_key_in_the_file_ends_it(world: World, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    events = [event(f"u{n % 50}", n) for n in range(3_000)]
    await world.push(*events)
    given = world.settings(api_key_file=file, max_events_per_post=1, concurrency=8, api_key=None)
    async with running(given) as service:
        await eventually(lambda: world.api.ledger.accepted_events > 300)
        world.api.api_key = "the-next-key"
        found = await halted(service)
        assert found["reason"] == "credentials"
        assert world.api.posts[401] <= 8, "one round of answers"
        await service.shows('forwarder_halted{reason="credentials"} 1.0')
        await untouched(world.redis, world.queue, 3_000 - world.api.ledger.accepted_events)
        file.write_text("'the-next-key'")
        with capture_logs() as lines:
            await eventually(lambda: any("quotation mark" in str(line.get("problem")) for line in lines))
        file.write_text("\ufeffthe-next-key\r\n")
        await world.settled()
        status, text = await service.get("/readyz")
        assert (status, json.loads(text)["state"]) == (200, "delivering")
        await service.shows('forwarder_halted{reason="credentials"} 0.0')
    assert world.api.ledger.accepted_events == 3_000
    assert await Queue(world.redis, world.queue, 1).halt() is None


async def test_a_replica_with_another_key_takes_over_from_a_halted_one(world: World) -> None:
    await world.push(*(event("u", n) for n in range(10)))
    async with world.service(api_key="an-old-key") as service:
        await halted(service)
        await untouched(world.redis, world.queue, 10)
        async with world.service():
            await world.settled()
            queue = Queue(world.redis, world.queue, 1)
            found = [(each.state, each.reason) for each in (await queue.workers()).values()]
            assert found[1:] == [("halted", "credentials")], "it is seen, after those that work"
            assert len(await queue.workers(placed=True)) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=403), "credentials"),
        (Answer(status=407), "misdirected"),
        (Answer(status=200, body="<html>Welcome to the airport</html>"), "misdirected"),
        (Answer(status=204), "misdirected"),
        (Answer(status=302, location="http://portal.invalid/"), "misdirected"),
        (Answer(status=404), "misdirected"),
        (Answer(status=405), "misdirected"),
        (Answer(status=451), "misdirected"),
        (Answer(status=400, body="<html>Bad Request</html>", content_type="text/html"), "misdirected"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
@fault("API", "a portal or a wrong URL: 200, 204, 302", "the service halts; nothing counts as accepted", keeps=(1, 5))
async def test_what_is_not_the_api_halts_and_accepts_nothing(answer: Answer, reason: str, world: World) -> None:
    world.api.faults = Faults(status_all=answer)
    await world.push(*(event(f"u{n}", n) for n in range(200)))
    async with world.service(concurrency=4) as service:
        assert (await halted(service))["reason"] == reason
        await untouched(world.redis, world.queue, 200)
        world.api.faults = Faults()
        assert await end_halt(Queue(world.redis, world.queue, 1)) is not None
        await world.settled()
    assert world.api.ledger.accepted_events == 200


async def test_with_on_halt_exit_the_service_ends(world: World) -> None:
    await world.push(event("u", 1))
    with pytest.raises(ExitOnHaltError, match="credentials"):
        async with world.service(api_key="wrong", on_halt="exit") as service:
            await service.task
    await untouched(world.redis, world.queue, 1)


@fault(
    "producer",
    "a bad deploy: every event is refused",
    "the brake halts the service within a hundred dead letters; `resume --allow-refusals` lets some through",
    keeps=(1, 5),
)
async def test_the_brake_trips_before_a_broken_deploy_empties_the_queue(world: World) -> None:
    world.api.faults = Faults(refuse=[Refusal(member="broken")])
    await world.push(*(event(f"u{n % 40}", n, broken=1) for n in range(1_000)))
    async with world.service() as service:
        found = await halted(service)
        assert found["reason"] == "dead_letter_brake"
        assert "answers refused what was sent; the most frequent reason: the API answered 400" in found["detail"]
        now = await given_back(world.redis, world.queue)
        assert now.letters == 49, "then the worker suspects, and all of the others wait"
        assert now.waiting + now.claimed == 951

        queue = Queue(world.redis, world.queue, 1)
        await end_halt(queue, allow_refusals=200)

        async def again() -> bool:
            now = await world.census()
            return now.letters == 49 + 200 + 49 and now.lease is None

        await eventually(again, what="two hundred pass uncounted, and it trips again")
        await eventually(queue.halt)
        world.api.faults = Faults()
        await end_halt(queue)
        await world.settled()
    assert world.api.ledger.accepted_events == 1_000 - 298


@fault("producer", "the list belongs to another program", "the service halts; no element is touched", keeps=(1, 5))
async def test_a_list_of_something_else_is_left_as_it_is(world: World) -> None:
    strange = [b'{"job":"resize","id":%d}' % n for n in range(500)]
    await world.push(*strange)
    async with world.service() as service:
        found = await halted(service)
        assert (found["reason"], "FORWARDER_QUEUE" in found["detail"]) == ("misdirected", True)
        await untouched(world.redis, world.queue, 500)
        await end_halt(Queue(world.redis, world.queue, 1), allow_refusals=500)
        now = await world.settled()
        assert now.letters == 500, "a person has looked: now they are what they are"
    assert world.api.posts.total() == 0


async def test_elements_of_another_program_are_left_as_they_are_however_long(world: World) -> None:
    await world.push(*[b"x" * 2_000] * 400)
    async with world.service(max_event_bytes=1_000, max_body_bytes=2_000) as service:
        assert (await halted(service))["reason"] == "misdirected"
        await untouched(world.redis, world.queue, 400)


async def test_a_settlement_moves_few_bytes_of_letters_however_long_they_are(world: World) -> None:
    await world.push(event("u", 0), *[b"x" * 200_000] * 90)
    async with world.service(max_event_bytes=1_000, dead_letter_brake=0):
        now = await world.settled()
    assert (now.letters, now.accepted) == (90, 1)
    assert now.settlement >= 18_000_000 // (4 * 2**20), "four MiB at a time"


@fault(
    "Redis",
    "the hash of claimed events has fields that no claim has written",
    "they are ignored and logged; everything else is sent",
    keeps=(1,),
)
async def test_fields_that_no_claim_has_written_stop_nothing(world: World) -> None:
    claimed = Keys(world.queue).claimed
    await world.redis.hset(
        claimed, mapping={b"abc": b"x", b"5" * 5_000 + b"-1700000000000000": b"x", b"1-" + b"9" * 18: b"x"}
    )
    await world.push(event("u", 1))
    async with world.service():
        await eventually(lambda: world.api.ledger.accepted_events == 1)
    assert await world.redis.hlen(claimed) == 3


async def test_resume_reaches_the_process_that_comes_next(world: World) -> None:
    await world.push(*[b"a line of a log"] * 100, event("u", 1))
    for looked in (False, False, True):
        if looked:
            await end_halt(Queue(world.redis, world.queue, 1))
            async with world.service(dead_letter_brake=0):
                await world.settled()
        else:
            with pytest.raises(ExitOnHaltError, match="none of the first 100 elements"):
                async with world.service(on_halt="exit") as service:
                    await service.task
    assert (await world.census()).letters == 100
    assert world.api.ledger.accepted_events == 1


async def test_a_halt_stops_every_replica_with_the_same_key(world: World) -> None:
    await world.push(event("u", 1))
    given = world.settings(api_key="wrong")
    async with running(given) as first, running(given) as second:
        assert (await halted(first))["reason"] == "credentials"
        assert (await halted(second))["reason"] == "credentials"
        assert world.api.posts[401] == 1, "the second one believes what the first has written"


async def test_a_halt_that_nobody_of_us_wrote_is_obeyed(world: World) -> None:
    await world.redis.set(QueueKeys(world.queue).halt, "stop, please")
    await world.push(event("u", 1))
    async with world.service() as service:
        assert (await halted(service))["reason"] == "halted"
        await world.redis.delete(QueueKeys(world.queue).halt)
        await world.settled()


async def test_a_403_for_one_user_and_bad_events_of_others_say_different_things(world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=403)}, refuse=[Refusal(member="bad")])
    await world.push(event("u", 1), event("well", 1))
    async with world.service() as service:
        await eventually(lambda: world.api.ledger.accepted_events == 1 and world.api.posts[403] >= 1)
        await world.push(*(event(f"v{n}", n, bad=1) for n in range(10)))
        await eventually(lambda: world.api.posts[400] == 10 and world.api.posts[403] >= 5)
        assert (await service.get("/readyz"))[0] == 200
        now = await world.census()
        assert (now.waiting + now.claimed, now.accepted) == (now.claimed, 1), "only u's event is left"


async def test_the_next_owner_of_a_list_finds_a_halt_that_was_written_before_it_got_the_lease(world: World) -> None:
    """It had looked for a halt just before, and found none."""
    world.api.faults = Faults(refuse=[Refusal(member="bad")])
    await world.push(*[event(f"u{n}", n, bad=1) for n in range(500)])
    async with Proxy(port_of(world.url)) as proxy:
        proxy.stop_at("acquire", "before")
        given = settings(proxy.url, world.queue, world.api, max_events_per_post=1, linger=0.0)
        async with running(given) as service:
            await asyncio.wait_for(proxy.reached.wait(), 10)
            # Before it looked for free leases, the owner had halted: it wrote why, and then gave its lease back.
            halt = HaltRecord("dead_letter_brake", "most were refused", "2026-01-01T00:00:00Z", "")
            await Queue(world.redis, world.queue, 1).write_halt(halt)
            proxy.go_on()
            await halted(service)
            await untouched(world.redis, world.queue, 500)
    assert world.api.ledger.arrived == 0
