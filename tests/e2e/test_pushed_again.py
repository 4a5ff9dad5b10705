"""A job that is killed and run again, and a table of events that is pushed by a loop: each event once."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from forwarder.queue.sharding import list_name, shard_of
from tests.support.documents import PRODUCERS, fenced
from tests.support.faults import fault
from tests.support.killing import KillingProxy, Program, moments
from tests.support.service import event, eventually, port_of

#: Pushes three events one by one, and 2,500 together, with a key for each step. The events have no date, so that each
#: run gives them another one.
JOB = """
from forwarder import SyncProducer

with SyncProducer({url!r}, queue={queue!r}, shards=2) as producer:
    for number in range(3):
        producer.push(f"u-{{number}}", "step", number=number, idempotency_key=f"{job}-{{number}}")
    events = [{{"user_id": f"u-{{number % 7}}", "name": "one of many", "number": number}} for number in range(2_500)]
    producer.push_many(events, idempotency_key="{job}-many")
"""
EXPECTED = [(f"u-{number}", number) for number in range(3)] + [(f"u-{number % 7}", number) for number in range(2_500)]


@pytest.mark.parametrize("kills", [4, pytest.param(int(os.environ.get("TEST_KILLS", "50")), marks=pytest.mark.long)])
@fault(
    "producer",
    "a job that pushes with idempotency keys is killed (SIGKILL) at random moments, and run again",
    "each event is pushed once, in order",
    keeps=(1, 2, 3),
)
async def test_a_job_that_is_killed_and_run_again_pushes_each_event_once(
    redis_client: Redis, redis_url: str, queue_name: str, kills: int
) -> None:
    lists = [list_name(queue_name, shard, 2) for shard in range(2)]
    for job, (when, which) in enumerate(moments(kills, most=6)):
        async with KillingProxy(port_of(redis_url), when, which) as proxy:
            first = Program(JOB.format(url=proxy.url, queue=queue_name, job=job))
            proxy.kill = first.kill
            await first.ended()
        assert await Program(JOB.format(url=redis_url, queue=queue_name, job=job)).ended() == 0
        found = [
            [(each["user_id"], each["number"]) for each in map(json.loads, await redis_client.lrange(name, 0, -1))]
            for name in lists
        ]
        assert found == [[each for each in EXPECTED if shard_of(each[0], 2) == shard] for shard in range(2)]
        await redis_client.delete(*lists)


def outbox_of_the_page(url: str, queue: str, file: Path) -> str:
    (program,) = (each for each in fenced(PRODUCERS.read_text(encoding="utf-8"), "python") if "outbox" in each)
    for shown, real in (
        ('"redis://127.0.0.1:6379/0"', f"{url!r}, queue={queue!r}"),
        ('"shop.db"', repr(str(file))),
        ("time.sleep(1)", "time.sleep(0.02)"),
    ):
        assert program.count(shown) == 1, shown
        program = program.replace(shown, real)
    return program


class Shop:
    """Writes events into the table, as a service does together with its own changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._numbers: Iterator[int] = count()
        self.written: list[bytes] = []

    def query(self, text: str, *given: Any) -> list[Any]:
        database = sqlite3.connect(self._file, timeout=20)
        try:
            with database:
                return database.execute(text, given).fetchall()
        finally:
            database.close()

    def write(self, events: int) -> None:
        for _ in range(events):
            element = event("u-1", next(self._numbers))
            self.query("INSERT INTO outbox (element) VALUES (?)", element.decode())
            self.written.append(element)

    def left(self) -> int:
        return int(self.query("SELECT count(*) FROM outbox WHERE problem IS NULL")[0][0])


@pytest.mark.parametrize("kills", [4, pytest.param(int(os.environ.get("TEST_KILLS", "50")), marks=pytest.mark.long)])
@fault(
    "producer",
    "the loop that pushes an outbox table is killed (SIGKILL) at random moments, also between push and DELETE",
    "each row is pushed once, in order",
    keeps=(1, 2, 3),
)
async def test_each_row_of_an_outbox_is_pushed_once(
    redis_client: Redis, redis_url: str, queue_name: str, tmp_path: Path, kills: int
) -> None:
    shop = Shop(tmp_path / "shop.db")
    loop = Program(outbox_of_the_page(redis_url, queue_name, tmp_path / "shop.db"))
    await eventually(lambda: _has_table(shop), what="the loop has made its table")
    loop.kill()
    await loop.ended()
    for when, which in moments(kills, most=5):
        shop.write(8)
        async with KillingProxy(port_of(redis_url), when, which) as proxy:
            loop = Program(outbox_of_the_page(proxy.url, queue_name, tmp_path / "shop.db"))
            proxy.kill = loop.kill
            await asyncio.wait_for(loop.ended(), 30)
    # Two loops at once push nothing twice either, and a row that is not an event holds up nobody.
    shop.query("INSERT INTO outbox (element) VALUES ('{}')")
    shop.write(20)
    loops = [Program(outbox_of_the_page(redis_url, queue_name, tmp_path / "shop.db")) for _ in range(2)]
    await eventually(lambda: not shop.left(), what="every row was pushed")
    for each in loops:
        each.kill()
        await each.ended()
    assert await redis_client.lrange(queue_name, 0, -1) == shop.written
    [(problem,)] = shop.query("SELECT problem FROM outbox")
    assert "user_id" in problem


def _has_table(shop: Shop) -> bool:
    return bool(shop.query("SELECT 1 FROM sqlite_master WHERE name = 'outbox'"))
