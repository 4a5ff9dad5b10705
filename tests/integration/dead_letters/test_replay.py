"""Replaying dead letters: what is chosen, in which order, at which rate, edited how, and each at most once."""

import asyncio
import json

import pytest
from redis.asyncio import Redis

from forwarder.dead_letters.edit import program, setting
from forwarder.dead_letters.letter import claimed_at
from forwarder.dead_letters.replay import Replay, Terms
from forwarder.dead_letters.selection import Filter
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import InvalidElementError
from forwarder.queue.keys import Keys, Side
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import QueueList
from forwarder.queue.wire.connection import connect
from tests.support.letters import bury, letters_of, of
from tests.support.servers.proxy import Proxy
from tests.support.service import by_user, census, event, port_of

TERMS = Terms(max_bytes=10_000)
#: Of the letters' users, in turn.
USERS = ["a", "b", "c"]


async def many(redis: Redis, queue: str, count: int) -> list[bytes]:
    elements = [event(USERS[n % 3], n) for n in range(count)]
    await bury(redis, queue, elements, [USERS[n % 3] for n in range(count)])
    return elements


async def waiting(redis: Redis, queue: str) -> list[bytes]:
    return [bytes(element) for element in await redis.lrange(queue, 0, -1)]  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["left", "right"])
async def test_all_letters_come_back_in_their_order(redis_client: Redis, queue_name: str, side: Side) -> None:
    elements = await many(redis_client, queue_name, 250)
    letters = of(redis_client, queue_name, side=side)
    done: list[int] = []
    report = await Replay(letters, TERMS).run(await letters.selection(None, Filter()), done.append)
    assert (report.replayed, report.taken, report.kept) == (250, 0, [])
    assert done == list(range(1, 251))
    assert (await waiting(redis_client, queue_name))[:: 1 if side == "left" else -1] == elements
    now = await census(redis_client, queue_name)
    assert (now.letters, now.replayed, any(now.imbalances.values())) == (0, 250, False)


async def test_ids_are_replayed_oldest_first_each_once_whatever_their_order(
    redis_client: Redis, queue_name: str
) -> None:
    elements = await many(redis_client, queue_name, 12)
    ids = [letter.id for letter in await letters_of(redis_client, queue_name)]
    letters = of(redis_client, queue_name)
    selection = await letters.selection([ids[11], ids[2], "5-5", ids[2], ids[7]], Filter())
    assert (selection.count, selection.missing, selection.reasons) == (3, 1, {"rejected": 3})
    assert (await Replay(letters, TERMS).run(selection)).replayed == 3
    assert await waiting(redis_client, queue_name) == [elements[2], elements[7], elements[11]]


async def test_events_of_erased_users_stay_unless_they_are_asked_for(redis_client: Redis, queue_name: str) -> None:
    await bury(redis_client, queue_name, [event("gone", 1), event("gone", 2)], ["gone", "gone"], reason="erased")
    elements = await many(redis_client, queue_name, 3)
    letters = of(redis_client, queue_name)
    for which in (Filter(), Filter(user="gone"), Filter(status="400")):
        await Replay(letters, TERMS).run(await letters.selection(None, which.for_replay()))
    assert await waiting(redis_client, queue_name) == elements
    first, _ = await letters_of(redis_client, queue_name)
    await Replay(letters, TERMS).run(await letters.selection([first.id], Filter().for_replay()))
    await Replay(letters, TERMS).run(await letters.selection(None, Filter(reason="erased").for_replay()))
    assert await letters_of(redis_client, queue_name) == []


async def test_what_becomes_a_letter_after_the_selection_is_not_meant(redis_client: Redis, queue_name: str) -> None:
    elements = await many(redis_client, queue_name, 3)
    letters = of(redis_client, queue_name)
    selection = await letters.selection(None, Filter(reason="rejected"))
    await bury(redis_client, queue_name, [event("a", 99)], ["a"])
    assert (await Replay(letters, TERMS).run(selection)).replayed == 3
    assert await waiting(redis_client, queue_name) == elements
    assert len(await letters_of(redis_client, queue_name)) == 1


async def test_letters_are_chosen_by_name_user_limit_and_age(redis_client: Redis, queue_name: str) -> None:
    keys = Keys(queue_name)
    now = await of(redis_client, queue_name).now()
    for minutes in (90, 60, 30, 0):
        element = event("u", minutes, name=f"n{minutes}")
        await redis_client.xadd(
            keys.dead, {"element": element, "user_id": f"u{minutes}"}, id=f"{now - minutes * 60_000}-0"
        )
    letters = of(redis_client, queue_name)

    async def found(**which: object) -> list[str]:
        return [letter.user_id async for letter in letters.select(Filter(**which))]  # type: ignore[arg-type]

    assert await found(older=45 * 60.0) == ["u90", "u60"]
    assert await found(newer=45 * 60.0) == ["u30", "u0"]
    assert await found(older=15 * 60.0, newer=75 * 60.0) == ["u60", "u30"]
    assert await found(older=1e12) == []
    assert await found(newer=1e12, limit=2) == ["u90", "u60"]
    assert await found(name="n30") == ["u30"]
    assert await found(user="u60", name="n60", limit=1) == ["u60"]
    assert (await letters.selection(None, Filter(older=45 * 60.0))).count == 2


async def test_an_event_without_a_date_keeps_that_of_its_claim_through_every_edit(
    redis_client: Redis, queue_name: str
) -> None:
    for edit in (None, setting(["date=null"]), setting(["n=2"]), program("cat", most=1_000)):
        (letter,) = await bury(redis_client, queue_name, [b'{"user_id":"u","name":"x","n":1}'], ["u"])
        letters = of(redis_client, queue_name)
        await Replay(letters, Terms(10_000, edit)).run(await letters.selection(None, Filter()))
        (element,) = await waiting(redis_client, queue_name)
        assert json.loads(element)["date"] == claimed_at(letter)
        await redis_client.delete(queue_name)


async def test_an_edit_that_makes_no_event_leaves_the_letter_and_all_later_ones_of_its_user(
    redis_client: Redis, queue_name: str
) -> None:
    elements = await many(redis_client, queue_name, 9)

    async def edit(element: bytes) -> bytes:
        number = json.loads(element)["n"]
        if number == 3:  # of user a, whose later ones are 6
            raise InvalidElementError("no")
        return b"{}" if number == 7 else element  # of user b, who has no later one

    told: list[str] = []
    letters = of(redis_client, queue_name)
    replay = Replay(letters, Terms(10_000, edit), kept=lambda kept: told.append(kept.why))
    report = await replay.run(await letters.selection(None, Filter()))
    assert report.replayed == 6
    assert told == ["no", "an older letter of the same user stays", "user_id: missing"]
    assert by_user(await waiting(redis_client, queue_name)) == {"a": [0], "b": [1, 4], "c": [2, 5, 8]}
    left = [letter.element for letter in await letters_of(redis_client, queue_name)]
    assert left == [elements[3], elements[6], elements[7]]
    assert [kept.id for kept in report.kept] == [letter.id for letter in await letters_of(redis_client, queue_name)]


async def test_an_edit_can_make_an_event_of_what_was_none(redis_client: Redis, queue_name: str) -> None:
    await bury(redis_client, queue_name, [b"{'user_id': 'u', 'name': 'n'}"], [""], reason="invalid")
    letters = of(redis_client, queue_name)
    terms = Terms(1_000, program("tr \"'\" '\"'", most=1_000))
    assert (await Replay(letters, terms).run(await letters.selection(None, Filter()))).replayed == 1
    (element,) = await waiting(redis_client, queue_name)
    assert json.loads(element)["user_id"] == "u"


async def test_a_dry_run_tries_the_edit_and_changes_nothing(redis_client: Redis, queue_name: str) -> None:
    await many(redis_client, queue_name, 3)
    letters = of(redis_client, queue_name)
    replay = Replay(letters, Terms(10_000, setting(["name=new"]), dry_run=True))
    assert (await replay.run(await letters.selection(None, Filter()))).replayed == 3
    assert json.loads(replay.example or b"")["name"] == "new"
    assert (await census(redis_client, queue_name)).waiting == 0
    assert len(await letters_of(redis_client, queue_name)) == 3


async def test_the_rate_holds_and_a_pause_is_not_caught_up_with(redis_client: Redis, queue_name: str) -> None:
    await many(redis_client, queue_name, 20)
    letters = of(redis_client, queue_name)
    times: list[float] = []
    now = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        times.append(now)
        if len(times) == 10:
            now += 60.0

    replay = Replay(letters, Terms(10_000, rate=4.0), sleep=sleep, clock=lambda: now)
    await replay.run(await letters.selection(None, Filter()))
    assert times == [100.0 + n / 4 for n in range(10)] + [162.25 + n / 4 for n in range(10)]


async def test_two_operators_at_once_replay_each_letter_once_and_in_order(redis_url: str, queue_name: str) -> None:
    async with connect(redis_url) as one, connect(redis_url) as other:
        elements = await many(one, queue_name, 600)
        replays = []
        for redis in (one, other):
            letters = of(redis, queue_name)
            replays.append(Replay(letters, TERMS).run(await letters.selection(None, Filter())))
        first, second = await asyncio.gather(*replays)
        assert first.replayed + second.replayed == 600
        assert min(first.replayed, second.replayed) > 0, "they were at it at the same time"
        assert await waiting(one, queue_name) == elements


async def test_replies_that_are_lost_double_nothing_and_are_counted(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str
) -> None:
    elements = await many(redis_client, queue_name, 60)
    port = port_of(redis_server.url)
    async with Proxy(port) as proxy, connect(proxy.url) as cut:
        letters = of(cut, queue_name)
        selection = await letters.selection(None, Filter())
        proxy.loses = lambda number: number % 7 == 0
        report = await Replay(letters, TERMS).run(selection)
        assert proxy.lost >= 8
    assert (report.replayed, report.taken) == (60, 0)
    assert await waiting(redis_client, queue_name) == elements
    assert (await census(redis_client, queue_name)).replayed == 60


@pytest.mark.parametrize("written", ["text", "007"])
async def test_a_letter_stays_when_its_replay_cannot_be_counted(
    redis_client: Redis, queue_name: str, written: str
) -> None:
    await many(redis_client, queue_name, 1)
    keys = Keys(queue_name)
    await redis_client.set(keys.replayed, written)
    (letter,) = await letters_of(redis_client, queue_name)
    with pytest.raises(Exception, match="another type"):
        await ListLetters(redis_client, keys).replay(letter.id, letter.element, side="left")
    assert await redis_client.exists(queue_name) == 0
    assert await letters_of(redis_client, queue_name) == [letter]


async def test_half_an_id_replays_nothing(redis_client: Redis, queue_name: str) -> None:
    keys = Keys(queue_name)
    await redis_client.xadd(keys.dead, {"element": b"x"}, id="5-3")
    assert await ListLetters(redis_client, keys).replay("5", b"x", side="left") is None
    assert await redis_client.exists(queue_name) == 0


@pytest.mark.parametrize("claimed", [0, 1, 500, 5_000])
async def test_what_is_not_decided_is_found_by_number(redis_client: Redis, queue_name: str, claimed: int) -> None:
    keys = Keys(queue_name)
    await redis_client.set(keys.sequence, claimed)
    if claimed:
        await redis_client.hset(keys.claimed, mapping={f"{n}-1700000000000000": b"x" for n in range(1, claimed + 1)})
    found = await QueueList(redis_client, keys).still_claimed([1, 2, 400, 6_000])
    there = sum(n <= claimed for n in (1, 2, 400))
    assert (found.claimed, found.waiting, found.sequence) == (there, 4 - there, claimed)
    await redis_client.hdel(keys.claimed, "1-1700000000000000", "400-1700000000000000")
    found = await QueueList(redis_client, keys).still_claimed([1, 400])
    assert found.claimed == 0
