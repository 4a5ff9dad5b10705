"""The first letters of a replay are waited for: accepted, refused again, halted, or never decided."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from forwarder.dead_letters.canary import Canary
from forwarder.dead_letters.edit import setting
from forwarder.dead_letters.letters import Letters, Pushed
from forwarder.dead_letters.replay import Replay, Report, Terms
from forwarder.dead_letters.selection import Filter, Selection
from forwarder.queue.census import Undecided
from forwarder.queue.keys import Keys, Side
from forwarder.simulator import Answer, Faults, Outage, Refusal, Simulator, UserAnswer
from tests.support.claims import owner
from tests.support.letters import bury, letters_of, of
from tests.support.service import accepted, census, event, eventually, running, settings, settled


async def canary_of(letters: Letters, selection: Selection, size: int, *, patience: float = 60.0) -> Canary:
    return Canary(letters, size=size, after=(await letters.now(), selection.last), timeout=patience)


async def replayed(
    redis: Redis,
    queue: str,
    *,
    size: int,
    patience: float = 60.0,
    terms: Terms | None = None,
    side: Side = "left",
) -> Report:
    letters = of(redis, queue, side=side)
    selection = await letters.selection(None, Filter())
    canary = await canary_of(letters, selection, size, patience=patience)
    return await Replay(letters, terms or Terms(10_000), canary=canary).run(selection)


async def refused(redis: Redis, queue: str, count: int) -> None:
    """So many letters: event n is of user u(n), and named n0, n1, n2 in turn."""
    elements = [event(f"u{n}", n, name=f"n{n % 3}") for n in range(count)]
    await bury(redis, queue, elements, [f"u{n}" for n in range(count)])


@pytest.mark.parametrize("side", ["left", "right"])
async def test_a_canary_that_is_accepted_lets_the_others_through(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, side: Side
) -> None:
    await refused(redis_client, queue_name, 40)
    async with running(settings(redis_url, queue_name, api, consume_from=side)):
        report = await replayed(redis_client, queue_name, size=10, side=side)
        await settled(redis_client, queue_name)
    assert report.canary is not None
    assert (report.canary.sent, report.canary.well, report.replayed) == (10, True, 40)
    assert sorted(accepted(api)) == sorted(f"u{n}" for n in range(40))


async def test_the_others_are_not_pushed_before_the_canary_is_accepted(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, 20)
    api.faults = Faults(latency=0.3)
    async with running(settings(redis_url, queue_name, api)):
        task = asyncio.create_task(replayed(redis_client, queue_name, size=5))
        while not task.done():
            now = await census(redis_client, queue_name)
            assert now.replayed <= 5 or api.ledger.accepted_events >= 5
            await asyncio.sleep(0.01)
        assert (await task).replayed == 20


async def test_a_canary_that_is_refused_again_stops_the_replay_and_names_the_letter(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, 30)
    before = await letters_of(redis_client, queue_name)
    api.faults = Faults(refuse=[Refusal(name="n2")])
    async with running(settings(redis_url, queue_name, api)):
        report = await replayed(redis_client, queue_name, size=5)
        await settled(redis_client, queue_name)
    assert report.canary is not None
    assert (report.replayed, report.canary.well) == (5, False)
    assert [again.was for again in report.canary.refused] == [before[2].id]
    assert report.canary.refused[0].letter.detail == "the API answered 400"
    left = await letters_of(redis_client, queue_name)
    assert left[:25] == before[5:]
    assert len(left) == 26


async def test_a_canary_that_was_edited_is_known_by_its_new_bytes(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, 6)
    api.faults = Faults(refuse=[Refusal(name="bad")])
    async with running(settings(redis_url, queue_name, api)):
        report = await replayed(redis_client, queue_name, size=1, terms=Terms(10_000, setting(["name=bad"])))
    assert report.canary is not None
    assert (report.replayed, len(report.canary.refused)) == (1, 1)
    assert json.loads(report.canary.refused[0].letter.element)["name"] == "bad"


async def test_old_letters_with_the_bytes_of_the_canary_are_not_taken_for_new_ones(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await bury(redis_client, queue_name, [event("u", 1)] * 5, ["u"] * 5)
    letters = of(redis_client, queue_name)
    selection = await letters.selection(None, Filter())
    # A clock that was set back: by the time alone, all letters would be new.
    canary = Canary(letters, size=2, after=(0, selection.last), timeout=60.0)
    async with running(settings(redis_url, queue_name, api)):
        report = await Replay(letters, Terms(10_000), canary=canary).run(selection)
        await settled(redis_client, queue_name)
    assert report.canary is not None
    assert (report.replayed, report.canary.well) == (5, True)


@asynccontextmanager
async def claimed_for_ever(redis: Redis, queue: str, api: Simulator, url: str) -> AsyncIterator[None]:
    """A service among whose claims are many of a user whose POSTs fail."""
    api.faults = Faults(users={"stuck": UserAnswer(status=503)})
    await redis.rpush(queue, *[event("stuck", n) for n in range(3_000)])
    async with running(settings(url, queue, api, retry_initial=5.0, retry_max=5.0, shutdown_timeout=0.5)):

        async def claimed() -> bool:
            return (await census(redis, queue)).claimed == 3_000

        await eventually(claimed)
        yield


async def test_a_canary_is_decided_while_thousands_of_others_are_not(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    async with claimed_for_ever(redis_client, queue_name, api, redis_url):
        await refused_beside(redis_client, queue_name)
        report = await replayed(redis_client, queue_name, size=3)
        assert report.canary is not None
        assert (report.replayed, report.canary.well) == (10, True)


async def refused_beside(redis: Redis, queue: str) -> None:
    """Ten letters, made while somebody else owns the list."""
    for n in range(10):
        fields = {"element": event(f"u{n}", n), "reason": "rejected", "user_id": f"u{n}", "claimed_at": "1"}
        await redis.xadd(Keys(queue).dead, fields)  # type: ignore[arg-type]


async def test_a_canary_that_is_tried_again_and_again_is_given_up(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    async with claimed_for_ever(redis_client, queue_name, api, redis_url):
        await bury_of(redis_client, queue_name, "stuck")
        report = await replayed(redis_client, queue_name, size=1, patience=1.0)
    assert report.canary is not None
    assert report.canary.stopped.startswith("1 are claimed but not decided after 1 s")
    assert not report.canary.halted


async def bury_of(redis: Redis, queue: str, user: str) -> None:
    fields = {"element": event(user, 0), "reason": "exhausted", "user_id": user, "claimed_at": "1"}
    await redis.xadd(Keys(queue).dead, fields)  # type: ignore[arg-type]


async def test_without_a_worker_the_canary_is_given_up(redis_client: Redis, queue_name: str) -> None:
    await refused(redis_client, queue_name, 9)
    report = await replayed(redis_client, queue_name, size=2, patience=0.3)
    assert report.canary is not None
    assert report.canary.stopped == "2 still wait after 0.3 s: is a worker draining the list?"
    assert report.replayed == 2
    assert len(await letters_of(redis_client, queue_name)) == 7


async def test_a_canary_that_meets_a_halt_says_so(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, 9)
    api.faults = Faults(status_all=Answer(status=401))
    async with running(settings(redis_url, queue_name, api)):
        report = await replayed(redis_client, queue_name, size=2)
    assert report.canary is not None
    assert report.canary.halted
    assert report.canary.stopped.startswith("halted: credentials")
    assert len(await letters_of(redis_client, queue_name)) == 7


async def test_a_canary_waits_through_an_outage(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, 9)
    api.faults = Faults(outage=Outage(**{"for": 1.0}))
    async with running(settings(redis_url, queue_name, api)):
        report = await replayed(redis_client, queue_name, size=2)
    assert report.canary is not None
    assert (report.canary.well, report.replayed) == (True, 9)


async def test_a_redis_that_goes_back_in_time_makes_the_canary_inconclusive(
    redis_client: Redis, queue_name: str
) -> None:
    await refused(redis_client, queue_name, 3)
    keys = Keys(queue_name)
    letters = of(redis_client, queue_name)
    selection = await letters.selection(None, Filter())
    looks = 0

    def back(_: Undecided) -> None:
        nonlocal looks
        looks += 1

    async def sleep(_: float) -> None:
        await redis_client.set(keys.sequence, 1)

    canary = Canary(
        letters, size=1, after=(await letters.now(), selection.last), timeout=60.0, progress=back, sleep=sleep
    )
    report = await Replay(letters, Terms(10_000), canary=canary).run(selection)
    assert report.canary is not None
    assert "back in time" in report.canary.stopped
    assert looks == 2


async def test_a_canary_of_which_nothing_could_be_pushed_is_well(redis_client: Redis, queue_name: str) -> None:
    await refused(redis_client, queue_name, 3)
    report = await replayed(redis_client, queue_name, size=2, terms=Terms(10_000, setting(["name="])))
    assert report.canary is not None
    assert (report.canary.sent, report.replayed, len(report.kept)) == (0, 0, 3)


async def test_the_number_that_a_replay_foretells_is_that_of_the_claim(redis_client: Redis, queue_name: str) -> None:
    await refused(redis_client, queue_name, 3)
    await redis_client.rpush(queue_name, b"1", b"2")
    letters = of(redis_client, queue_name)
    first, second, _ = await letters_of(redis_client, queue_name)
    foretold = [await letters.replay(letter, letter.id.encode()) for letter in (first, second)]
    claims = await owner(redis_client, Keys(queue_name))
    claimed = await claims.claim(most=10, most_bytes=1_000, most_bytes_of_one=1_000)
    by_number = dict(zip(claimed.numbers, claimed.elements, strict=True))
    numbers = [each.number for each in foretold if isinstance(each, Pushed)]
    assert [by_number[number] for number in numbers] == [first.id.encode(), second.id.encode()]
