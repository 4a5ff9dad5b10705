"""One worker, a real Redis, the stand-in API: what becomes of events for each kind of answer."""

import json
from datetime import datetime

import pytest

from forwarder.api.request import encode_batch
from forwarder.queue.keys import Keys
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.simulator import Faults, RandomAnswer, Refusal, UserAnswer
from tests.support.faults import fault
from tests.support.letters import letters_of
from tests.support.service import body, event, eventually, running, same_json
from tests.support.world import World


async def test_events_of_one_user_go_in_one_post_in_the_order_they_were_pushed(world: World) -> None:
    elements = [event("u", n) for n in range(50)]
    await world.push(*elements)
    async with world.service():
        await world.settled()
    assert same_json(world.api.ledger.events("u"), map(body, elements))
    assert world.api.ledger.accepted_posts == 1


async def test_producers_that_lpush_are_served_from_the_right(world: World) -> None:
    elements = [event("u", n) for n in range(250)]
    await world.redis.lpush(world.queue, *elements)
    async with world.service(consume_from="right"):
        await world.settled()
    assert same_json(world.api.ledger.events("u"), map(body, elements))


async def test_an_event_without_a_date_gets_the_time_of_its_claim(world: World) -> None:
    await world.push(b'{"user_id":7,"name":"n","price":1.10}')
    before = int((await world.redis.time())[0])
    async with world.service():
        await world.settled()
    after = int((await world.redis.time())[0])
    (sent,) = world.api.ledger.events("7")
    assert sent.startswith(b'{"name":"n","price":1.10,"date":"20')
    stamp = datetime.fromisoformat(json.loads(sent)["date"]).timestamp()
    assert before <= stamp <= after


@pytest.mark.parametrize(
    "user", ["a/b", "a?b#c", "é", "%2e", "../../admin", "a b", "\U0001f600", "x" * 500, "\r\nX: y"]
)
@fault(
    "input",
    "a `user_id` such as `../admin`, `%2e%2e`, CR LF, or emoji",
    "one percent-encoded segment; no request leaves the path of its user",
    keeps=(1, 4),
)
async def test_no_request_leaves_the_path_of_its_user(user: str, world: World) -> None:
    await world.push(event(user, 1))
    async with world.service():
        await world.settled()
    assert list(world.api.ledger.users()) == [user]


@pytest.mark.parametrize(
    ("element", "detail"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[]", "not an object"),
        (b'{"name":"n"}', "user_id: missing"),
        (b'{"user_id":"..","name":"n"}', "user_id: "),
        (b'{"user_id":"u"}', "name: missing"),
        (b'{"user_id":"u","name":"n","date":"2016-02-30"}', "date: "),
        (b'{"user_id":"u","name":"n","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested too deep"),
        (b'{"user_id":"u","name":"' + b"n" * 70_000 + b'"}', "bytes"),
    ],
    ids=["empty", "binary", "array", "no-user", "dots", "no-name", "no-such-day", "deep", "long"],
)
@fault(
    "input",
    "not an event: not JSON, no user, no name, a bad date",
    "a dead letter that names the member, with the original bytes; costs no POST",
    keeps=(1, 4),
)
async def test_what_is_no_event_is_dead_lettered_with_its_bytes_and_costs_no_post(
    element: bytes, detail: str, world: World
) -> None:
    good = event("u", 1)
    await world.push(element, good)
    async with world.service():
        await world.settled()
    (letter,) = await letters_of(world.redis, world.queue)
    assert (letter.element, letter.reason) == (element, "invalid")
    assert detail in letter.detail
    assert same_json(world.api.ledger.events("u"), [body(good)])
    assert world.api.ledger.accepted_posts == 1


async def test_a_lone_element_that_is_no_event_is_dead_lettered_at_once(world: World) -> None:
    async with world.service():
        await world.push(b"nonsense")
        await eventually(lambda: letters_of(world.redis, world.queue))


@fault("API", "400 because of one bad event among many", "the batch is bisected; one dead letter", keeps=(1, 2, 4))
async def test_one_bad_event_does_not_take_its_neighbours_with_it(world: World) -> None:
    world.api.faults = Faults(refuse=[Refusal(member="bad")])
    elements = [event("u", n, **({"bad": 1} if n in (0, 17, 63) else {})) for n in range(64)]
    await world.push(*elements)
    async with world.service() as service:
        await world.settled()
        await service.shows('forwarder_events_dead_lettered_total{reason="rejected"} 3.0')
    good = [element for n, element in enumerate(elements) if n not in (0, 17, 63)]
    assert same_json(world.api.ledger.events("u"), map(body, good))
    letters = await letters_of(world.redis, world.queue)
    assert [letter.element for letter in letters] == [elements[0], elements[17], elements[63]]
    assert {(letter.reason, letter.status, letter.user_id) for letter in letters} == {("rejected", "400", "u")}


async def test_a_letter_says_if_events_of_its_user_with_other_names_were_accepted(world: World) -> None:
    """Only where it is known: nothing of "v" was accepted before, and nothing of "w" with another name."""
    world.api.faults = Faults(refuse=[Refusal(name="bad"), Refusal(member="odd")])
    of_w = [event("w", n, name="good", **({"odd": 1} if n == 2 else {})) for n in range(3)]
    named = [
        event(user, n, name=name) for user in "uv" for n, name in enumerate(["good", "bad", "good"][user == "v" :])
    ]
    await world.push(*named, *of_w)
    async with world.service():
        await world.settled()
    found = {each.user_id: each.detail for each in await letters_of(world.redis, world.queue)}
    assert found["u"] == "the API answered 400; events of this user with other names were accepted"
    assert found["v"] == found["w"] == "the API answered 400"
    groups = await ListLetters(world.redis, Keys(world.queue)).groups(calls=9)
    assert {(each.name, each.count, each.others_accepted) for each in groups.groups} == {("bad", 2, 1), ("good", 1, 0)}


async def test_without_bisecting_a_refused_batch_is_dead_lettered_whole(world: World) -> None:
    world.api.faults = Faults(refuse=[Refusal(member="bad")])
    elements = [event("u", 1), event("u", 2, bad=1), event("u", 3)]
    await world.push(*elements)
    async with world.service(bisect=False):
        await world.settled()
    assert [letter.element for letter in await letters_of(world.redis, world.queue)] == elements


async def test_a_body_that_is_too_large_is_halved_until_it_fits(world: World) -> None:
    world.api.faults = Faults(max_events=7)
    elements = [event("u", n) for n in range(100)]
    await world.push(*elements)
    async with world.service(bisect=False):
        await world.settled()
    assert same_json(world.api.ledger.events("u"), map(body, elements))


@pytest.mark.parametrize("users", [1, 4])
@fault(
    "API",
    "413 for every body with more than 12 events, of 100 that are sent at first",
    "the limit is learnt from a few refusals; later bodies are cut before they are sent",
    keeps=(1, 2, 4),
)
async def test_after_a_few_bodies_that_are_too_large_the_others_are_cut_before_they_are_sent(
    world: World, users: int
) -> None:
    """Without learning, every 100 events cost 11 refusals and 12 POSTs: 460 POSTs, of which 220 are refused."""
    elements = [event(f"u{n % users}", 100_000 + n) for n in range(2_000)]
    world.api.faults = Faults(max_body_bytes=len(encode_batch([body(element) for element in elements[:12]])) + 20)
    await world.push(*elements)
    async with world.service(rate_limit=0, linger=0.0):
        await world.settled()
    for user in range(users):
        assert same_json(world.api.ledger.events(f"u{user}"), map(body, elements[user::users]))
    print(f"{world.api.ledger.arrived} POSTs, {world.api.posts[413]} refused")
    assert world.api.posts[413] <= 8 * users
    assert world.api.ledger.arrived <= (2_000 / 12) * 1.05 + 16 * users


async def test_one_event_that_is_too_large_is_dead_lettered_so(world: World) -> None:
    world.api.faults = Faults(max_body_bytes=300)
    long = event("u", 1, text="x" * 500)
    await world.push(long, event("u", 2))
    async with world.service():
        await world.settled()
    (letter,) = await letters_of(world.redis, world.queue)
    assert (letter.element, letter.reason, letter.status) == (long, "too_large", "413")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_is_transient_is_tried_again_and_keeps_its_order(status: int, world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=status, times=3)})
    elements = [event("u", n) for n in range(5)]
    await world.push(*elements, event("v", 1))
    async with world.service():
        await world.settled()
    assert same_json(world.api.ledger.events("u"), map(body, elements))
    assert world.api.posts[status] == 3


async def test_a_failing_user_does_not_slow_the_others(world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=500)})
    await world.push(event("u", 0), *(event(f"v{n}", n) for n in range(500)))
    async with world.service(concurrency=2, retry_max=60):
        await eventually(lambda: world.api.ledger.accepted_events == 500)
        assert (await world.census()).letters == 0
    assert (await world.census()).claimed == 1


@fault(
    "API",
    "it fails for one user, who has more events than the buffer holds",
    "they are spilled; the other users are served",
    keeps=(1, 2, 7),
)
async def test_a_failing_user_with_more_events_than_the_buffer_holds_does_not_stop_the_others(world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=500)})
    long = [event("u", n) for n in range(5_000)]
    await world.push(*long)
    await world.push(*(event(f"v{n % 50}", n) for n in range(500)))
    given = world.settings(max_buffered_events=1_000, max_event_bytes=1_000)
    async with running(given) as service:
        await eventually(lambda: world.api.ledger.accepted_events == 500, what="all of the others")
        await world.push(event("u", 5_000))
        await world.push(event("w", 1))
        await eventually(lambda: world.api.ledger.events("w"))
        _, metrics = await service.get("/metrics")
        buffered = next(x for x in metrics.splitlines() if x.startswith("forwarder_buffered_events "))
        assert float(buffered.split()[1]) <= 1_000
        world.api.faults = Faults()
        await world.settled()
    assert same_json(world.api.ledger.events("u"), map(body, [*long, event("u", 5_000)]))


async def test_attempts_end_in_exhausted_only_while_others_are_accepted(world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=500)})
    await world.push(event("u", 0))
    limits = {"max_attempts": 2, "max_retry_age": 0.0}
    async with world.service(**limits):
        await eventually(lambda: world.api.posts[500] >= 6)
        assert await letters_of(world.redis, world.queue) == [], "nobody else was served: an outage never dead-letters"

        async def others_are_served() -> list[DeadLetter]:
            await world.push(*(event(f"v{n}", n) for n in range(5)))
            return await letters_of(world.redis, world.queue)

        (letter,) = await eventually(others_are_served)
    assert (letter.reason, letter.status, letter.user_id) == ("exhausted", "500", "u")


@pytest.mark.parametrize("status", [404, 405, 410, 415])
async def test_a_user_the_api_does_not_know_is_dead_lettered_once_the_address_is_proven(
    status: int, world: World
) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=status)})
    await world.push(event("v", 0))
    async with world.service():
        await eventually(lambda: world.api.ledger.accepted_events == 1)
        await world.push(event("u", 1), event("u", 2))
        await world.settled()
    assert {(e.reason, e.status) for e in await letters_of(world.redis, world.queue)} == {("rejected", str(status))}


@fault("API", "403 for one user only", "that user waits; nothing halts", keeps=(1, 5))
async def test_one_request_that_a_firewall_dislikes_halts_nobody(world: World) -> None:
    world.api.faults = Faults(users={"u": UserAnswer(status=403, times=2)})
    async with world.service() as service:
        await world.push(event("u", 1))
        await eventually(lambda: world.api.posts[403] >= 1)
        await world.push(*(event(f"v{n}", n) for n in range(20)))
        await world.settled()
        assert (await service.get("/readyz"))[0] == 200


async def test_resets_and_refusals_by_chance_lose_nothing_and_keep_order(world: World) -> None:
    world.api.faults = Faults(
        statuses=[RandomAnswer(status=503, rate=0.1), RandomAnswer(status=429, rate=0.02, retry_after=0)],
        reset_before_rate=0.05,
        reset_after_rate=0.05,
    )
    pushed = {f"u{u}": [event(f"u{u}", n) for n in range(40)] for u in range(30)}
    for n in range(40):
        await world.push(*(pushed[user][n] for user in pushed))
    async with world.service(max_events_per_post=5, dead_letter_brake=0):
        await world.settled(within=60)
    for user, elements in pushed.items():
        first = list(dict.fromkeys(world.api.ledger.events(user)))
        assert same_json(first, map(body, elements)), user
