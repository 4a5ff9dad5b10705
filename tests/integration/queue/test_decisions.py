"""The fleet's latest decisions, on every Redis there is."""

import random

import pytest
from redis.asyncio import Redis

from forwarder.errors import WrongTypeError
from forwarder.queue.decisions import Decisions
from forwarder.queue.keys import QueueKeys
from forwarder.queue.tally import Report, Tally
from tests.support.virtual.fleet_model import SequenceModel

ABC = (("aa", 2), ("bb", 1), ("cc", 1))


@pytest.fixture
def key(queue_name: str) -> str:
    return QueueKeys(queue_name).decisions


async def test_the_reports_of_all_workers_are_one_sequence(redis: Redis, key: str) -> None:
    one, other = Decisions(redis, key, "w1"), Decisions(redis, key, "w2")
    assert await one.tally(Report(1), window=10) == Tally(0, 0, 0, "")
    assert await one.tally(Report(1, 6, 4, ABC, "400", 3), window=10) == Tally(6, 4, 3, "400")
    found = await other.tally(Report(1, 5, 5, (("dd", 4),), "a reason of many words", 5), window=10)
    assert found == Tally(11, 9, 4, "a reason of many words")
    assert await other.tally(Report(2), window=10) == found, "to ask changes nothing"
    assert await one.tally(Report(2, 7), window=10) == Tally(12, 5, 1, "a reason of many words"), "the newest ones only"


async def test_a_report_that_is_sent_again_counts_once(redis: Redis, key: str) -> None:
    decisions = Decisions(redis, key, "w")
    report = Report(1, 6, 4, ABC, "400", 3)
    first = await decisions.tally(report, window=10)
    await Decisions(redis, key, "other").tally(Report(1, 1), window=10)
    assert await decisions.tally(report, window=10) == Tally(7, 4, 3, "400")
    assert first == Tally(6, 4, 3, "400")
    assert (await decisions.tally(Report(2, 6, 4, ABC, "400", 3), window=100)).decisions == 13, "the next one counts"


async def test_one_user_counts_for_a_third_of_a_window_at_most(redis: Redis, key: str) -> None:
    decisions = Decisions(redis, key, "w")
    for number in range(1, 21):
        found = await decisions.tally(Report(number, 10, 10, (("aa", 10),), "400", 10), window=90)
    assert found == Tally(30, 30, 1, "400")
    found = await decisions.tally(Report(21, 50, 5, (("bb", 5),), "400", 5), window=90)
    assert found == Tally(80, 35, 2, "400")


async def test_it_agrees_with_the_model(redis_client: Redis, queue_name: str) -> None:
    chance, seed = random.Random(), random.randrange(10**9)
    print(f"seed {seed}")
    chance.seed(seed)
    for window in (1, 7, 100):
        key, model = f"{QueueKeys(queue_name).decisions}:{window}", SequenceModel()
        workers = {name: Decisions(redis_client, key, name) for name in ("w1", "w2", "w3")}
        numbers, sent = dict.fromkeys(workers, 0), list[tuple[str, Report]]()
        for _ in range(150):
            if sent and chance.random() < 0.2:
                name, report = chance.choice(sent)
            else:
                name = chance.choice(list(workers))
                numbers[name] += 1
                users = {f"{chance.randrange(5):x}": chance.randint(1, 4) for _ in range(chance.randrange(4))}
                refusals = sum(users.values()) + chance.randrange(3)
                counts = (refusals + chance.randrange(4), refusals, tuple(users.items()))
                report = Report(numbers[name], *counts, "400", refusals)
                sent.append((name, report))
            assert await workers[name].tally(report, window=window) == model.tally(name, report, window)
        await redis_client.delete(key)


async def test_the_sequence_stays_short_and_lapses(redis: Redis, key: str) -> None:
    decisions = Decisions(redis, key, "w")
    for number in range(220):
        await decisions.tally(Report(number, 1), window=10)
    assert await redis.llen(key) == 210
    assert await redis.pttl(key) > 6 * 24 * 3_600_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "w 1 a b c - r",
        "w 1 9999999999999999 9 9 - r",
        "w 1 5 9 9 aa:99999999999999999 r",
        b"\xff\xfe",
        "w 1 1",
    ],
)
async def test_what_somebody_else_wrote_does_no_harm(redis: Redis, key: str, text: str | bytes) -> None:
    await redis.rpush(key, text)
    found = await Decisions(redis, key, "w").tally(Report(1, 10, 2, ABC, "400", 2), window=10)
    assert found == Tally(10, 2, 3, "400")


async def test_a_key_of_another_type_is_named(redis: Redis, key: str) -> None:
    await redis.set(key, "x")
    with pytest.raises(WrongTypeError, match=":decisions"):
        await Decisions(redis, key, "w").tally(Report(1, 1), window=10)
