"""Every other alert is caused for real, fires, and ends with what its section of the runbook says.

As in test_incidents.py the shipped rules are loaded with a second for each minute.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.simulator import Answer, Faults, Refusal
from tests.support.incidents.runbook import sections
from tests.support.incidents.scene import PATIENCE, Scene, Story, happen
from tests.support.service import eventually, running

BAD = Faults(refuse=(Refusal(name="bad"),))
DOWN = Faults(status_all=Answer(status=503))


async def no_worker_runs(here: Scene) -> None:
    async with here.service():
        await here.push(10)
        await here.drained()
    await here.push(10)
    await here.fires("ForwarderNoWorker")
    status, _ = await here.run("no-worker")
    assert "10 events wait." in status.text
    async with here.service():
        await here.ends("ForwarderNoWorker")
        await here.drained()


async def one_of_two_workers_is_gone(here: Scene) -> None:
    async with here.service() as owner:
        await owner.shows('forwarder_lease_held{shard="0"} 1.0', within=PATIENCE)
        async with running(here.settings()) as standby:
            here.watch(owner, standby)
        await here.fires("ForwarderReplicaDown", instance=standby.url.removeprefix("http://"))
        await here.run("replica-down")
        async with running(here.settings()) as standby:
            here.watch(owner, standby)
            await here.ends("ForwarderReplicaDown")


async def a_portal_stood_in_between(here: Scene) -> None:
    here.api.faults = Faults(status_all=Answer(status=302, location="http://portal.invalid/"))
    async with here.service():
        await here.push(100)
        await here.fires("ForwarderHalted", reason="misdirected")
        here.api.faults = Faults()
        status, check = await here.run("misdirected", 0, codes={"forwarder status": 77, "forwarder check": 1})
        assert "302" in status.text
        assert "answers, and accepts the key" in check.text
        await here.run("misdirected", 1)
        await here.ends("ForwarderHalted")
        assert (await here.drained()).letters == 0


async def some_events_are_refused_and_some_are_no_events(here: Scene) -> None:
    here.api.faults = BAD
    async with here.service():
        await here.push(50)
        await here.push(5, name="bad")
        await here.redis.rpush(here.queue, b"no event", b"{}")
        here.pushed += 2
        await here.drained()
        alert = await here.fires("ForwarderDeadLetters")
        assert alert["annotations"]["description"].startswith("In the last hour 7 were refused")
        _, _, dry_run = await here.run("letters", 0)
        assert "would replay 5 dead letters" in dry_run.text
        here.api.faults = Faults()
        await here.run("letters", 1)
        await eventually(lambda: here.api.ledger.accepted_events >= 55, within=PATIENCE)
        await here.run("letters", 2)
        await here.ends("ForwarderDeadLetters")
        assert (await here.drained()).letters == 0


async def a_producer_sends_bad_events_among_good_ones(here: Scene) -> None:
    here.api.faults = BAD
    async with here.service():
        await here.push(300)
        await here.redis.rpush(here.queue, b"no event")
        here.pushed += 1
        async with here.load(5), here.load(1, name="bad"):
            await here.fires("ForwarderRefusals")
            *_, rejected, invalid = await here.run("refusals", 0)
            assert '"reason":"rejected"' in rejected.text
            assert '"reason":"invalid"' in invalid.text
        now = await here.drained()
        await here.run("refusals", 1)
        await here.ends("ForwarderRefusals")
        saved = (here.directory / "rejected.ndjson").read_text().splitlines()
        assert len(saved) == now.letters - 1


async def the_lease_was_written_by_hand_and_lasts_an_hour(here: Scene) -> None:
    keys = Keys(here.queue)
    await here.redis.set(keys.lease, "somebody's", ex=3_600)
    await here.push(10)
    async with here.service():
        await here.fires("ForwarderNoOwner")
        _, pttl = await here.run("no-owner", 0)
        assert int(pttl.text) > 3_000_000
        await here.run("no-owner", 1)
        await here.ends("ForwarderNoOwner")
        await here.drained()


async def the_lease_is_lost_again_and_again(here: Scene) -> None:
    keys = Keys(here.queue)
    tokens: set[object] = {None}

    async def owned_anew() -> bool:
        return await here.redis.get(keys.lease) not in tokens

    async with here.service() as service:
        for times in range(1, 4):
            await eventually(owned_anew, within=PATIENCE, what="the lease is acquired again")
            tokens.add(await here.redis.getdel(keys.lease))
            await here.push(1)
            await service.shows(f"forwarder_lease_lost_total {times}.0", within=PATIENCE)
        await here.fires("ForwarderLeaseFlaps")
        await here.run("lease-flaps")
        await here.ends("ForwarderLeaseFlaps")
        await here.drained()


async def somebody_deletes_a_letter_with_xdel(here: Scene) -> None:
    here.api.faults = BAD
    keys = Keys(here.queue)
    async with here.service():
        await here.push(20)
        await here.push(1, name="bad")
        assert (await here.drained()).letters == 1
        [letter] = [each.id async for each in ListLetters(here.redis, keys).all()]
        await here.redis.xdel(keys.dead, letter)
        await here.fires("ForwarderImbalance")
        audit, _ = await here.run("imbalance", 0, codes={"forwarder audit": 1})
        assert f"letters = dead_lettered - replayed - deleted: {here.queue} off by -1" in audit.text
        await here.run("imbalance", 1)
        await here.ends("ForwarderImbalance")


async def more_is_pushed_than_the_api_takes(here: Scene) -> None:
    """First it is a backlog, then its oldest events are late, and it fills Redis."""
    here.api.faults = Faults(latency=1)
    await here.push(12_000)
    async with here.service(concurrency=1, max_events_per_post=10, max_buffered_events=100):
        async with here.load(60, filler="x" * 1_000):
            await asyncio.gather(*map(here.fires, ("ForwarderBacklogGrows", "ForwarderEventsLate")))
            alert = await here.fires("ForwarderRedisFullSoon")
            assert "fills Redis in" in alert["annotations"]["summary"]
            assert (
                "At this rate Redis is full in"
                in (await here.fires("ForwarderBacklogGrows"))["annotations"]["description"]
            )
            for section in ("backlog-grows", "late"):
                await here.run(section)
        here.api.faults = Faults()
    async with here.service():
        for alert_name in ("ForwarderBacklogGrows", "ForwarderEventsLate", "ForwarderRedisFullSoon"):
            await here.ends(alert_name)
        assert (await here.drained()).letters == 0


async def redis_is_nearly_full(here: Scene) -> None:
    here.api.faults = BAD
    async with here.service():
        await here.push(200, name="good")
        await here.push(10, name="bad", filler="x" * 50_000)
        await here.drained()
        here.api.faults = DOWN
        await here.redis.config_set("maxmemory", 16 * 2**20)
        while (await here.redis.info("memory"))["used_memory"] < 15 * 2**20:
            await here.push(50, filler="x" * 1_000)
        await here.fires("ForwarderRedisNearlyFull")
        *_, policy = await here.run("redis-full", 0)
        assert "noeviction" in policy.text
        await here.run("redis-full", 1)
        await here.ends("ForwarderRedisNearlyFull")
        await here.redis.config_set("maxmemory", (await here.redis.info("memory"))["used_memory"])
        await here.fires("ForwarderRedisFull")
        await here.run("redis-full", 1)
        await here.ends("ForwarderRedisFull")
        await here.run("redis-full", 2)
        here.api.faults = Faults()
        assert (await here.drained()).letters == 0


def redis_is_down(server: EmbeddedRedis) -> Story:
    async def story(here: Scene) -> None:
        async with here.service():
            await here.push(100)
            await here.drained()
            server.kill()
            await here.fires("ForwarderRedisUnavailable")
            sayings = await here.run("redis", codes=dict.fromkeys(sections()["redis"][0], 1))
            assert all(re.search("Connection refused|refused the connection", each.text) for each in sayings), sayings
            server.start()
            await here.redis.connection_pool.disconnect()
            await here.ends("ForwarderRedisUnavailable")
            await here.push(100)
            await here.drained()

    return story


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_troubles_of_workers_producers_and_letters(redis_url: str, tmp_path: Path) -> None:
    stories: dict[str, Story] = {
        "absent": no_worker_runs,
        "replica": one_of_two_workers_is_gone,
        "portal": a_portal_stood_in_between,
        "letters": some_events_are_refused_and_some_are_no_events,
        "refusals": a_producer_sends_bad_events_among_good_ones,
        "no-owner": the_lease_was_written_by_hand_and_lasts_an_hour,
        "flaps": the_lease_is_lost_again_and_again,
        "imbalance": somebody_deletes_a_letter_with_xdel,
    }
    await happen(tmp_path, {name: (redis_url, story) for name, story in stories.items()})


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_troubles_of_redis(own_redis: Callable[..., EmbeddedRedis], tmp_path: Path) -> None:
    filling = own_redis(port=None, arguments=["--maxmemory", "128mb"])
    nearly_full = own_redis(port=None)
    down = own_redis(port=None, appendonly=True, directory=tmp_path)
    stories = {
        "backlog": (filling.url, more_is_pushed_than_the_api_takes),
        "full": (nearly_full.url, redis_is_nearly_full),
        "down": (down.url, redis_is_down(down)),
    }
    await happen(tmp_path, stories)
