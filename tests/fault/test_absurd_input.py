"""Everything that can stand in a list, through a real Redis and a worker process, seen by a bare socket."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from redis.asyncio import Redis

from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.servers.raw_api import RawApi, raw
from tests.support.service import WorkerProcess, event, settings, settled

Start = Callable[..., WorkerProcess]

REQUEST = re.compile(rb"POST /v6/users/([A-Za-z0-9._~%-]+)/events HTTP/1.1")
HEADERS = {b"host", b"accept", b"content-type", b"authorization", b"accept-encoding", b"user-agent", b"content-length"}

REFUSED = {
    b"": "not JSON",
    b"\0": "not JSON",
    b"null": "not an object",
    b"[]": "not an object",
    b"hello": "not JSON",
    b"\xff\xfe{\0}\0": "not UTF-8",
    b'\xef\xbb\xbf{"user_id":"u","name":"n"}': "not JSON",
    b'{"user_id":"u","name":"n"': "not JSON",
    b'{"user_id":"u","name":"n","x":NaN}': "not JSON",
    b'{"name":"n"}': "user_id: missing",
    b'{"user_id":"","name":"n"}': "user_id: ",
    b'{"user_id":".","name":"n"}': "user_id: ",
    b'{"user_id":"..","name":"n"}': "user_id: ",
    b'{"user_id":"\\ud83d","name":"n"}': "user_id: ",
    b'{"user_id":{"$ne":null},"name":"n"}': "user_id: ",
    b'{"user_id":"u"}': "name: missing",
    b'{"user_id":"u","name":[]}': "name: ",
    b'{"user_id":"u","name":"n","date":"yesterday"}': "date: ",
    b'{"user_id":"u","name":"n","date":1473617063}': "date: ",
    b'{"user_id":"u","name":"n","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}": "nested too deep",
    b"[" * 10_000: "nested too deep",
    b'{"user_id":"u","name":"' + b"n" * 70_000 + b'"}': "bytes",
    b"\0" * 10_000_000: "bytes",
    b'{"user_id":"u","name":"n","x":"' + b"x" * 10_000_000 + b'"}': "bytes",
}

USERS = [
    "...", "a/../../admin", "../admin", "%2e%2e", "%2F", "a?b#c", "a b", "a+b", "é", "😀", "a\r\nX-Admin: 1\r\n\r\n",
    "\0", "\x7f", "'; DROP TABLE users; --", "{{7*7}}", "http://elsewhere/", "//elsewhere", "\\..\\admin", "x" * 10_000,
]  # fmt: skip


def sent(api: RawApi) -> list[tuple[str, bytes]]:
    """(user, event) of everything that arrived, as the bytes on the wire say."""
    found = []
    for request in api.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        path = REQUEST.fullmatch(line)
        assert path, line
        assert path[1] not in {b".", b".."}
        assert {header.partition(b":")[0].lower() for header in headers} == HEADERS
        found += [(unquote(path[1].decode()), json.dumps(each).encode()) for each in json.loads(body)["events"]]
    return found


async def letters(redis: Redis, queue: str) -> dict[bytes, tuple[str, str]]:
    """Reason and detail of each dead letter, by the element's bytes."""
    entries: Any = await redis.xrange(f"{{{queue}}}:dead")
    return {fields[b"element"]: (fields[b"reason"].decode(), fields[b"detail"].decode()) for _, fields in entries}


@fault(
    "input",
    "empty, binary, 10 MB, nested 10,000 deep, NaN, BOM, truncated",
    "dead letters with the original bytes",
    keeps=(1, 4, 7),
)
async def test_what_is_no_event_becomes_a_letter_and_nothing_sticks(
    api: Simulator, redis_url: str, redis_client: Redis, queue_name: str, worker: Start
) -> None:
    good = [event(f"u{n % 7}", n) for n in range(200)]
    async with raw(times=0) as bare:
        process = worker(settings(redis_url, queue_name, api, api_url=bare.url), fresh=True)
        await redis_client.rpush(queue_name, *good[:100])
        await settled(redis_client, queue_name)
        before = process.peak
        for number, element in enumerate(REFUSED):
            await redis_client.rpush(queue_name, element, good[100 + number])
        await redis_client.rpush(queue_name, *good[100 + len(REFUSED) :])
        now = await settled(redis_client, queue_name)
        # The two of 10 MB stay in Redis, but for one that is pushed while the worker waits: that wakes it.
        assert process.peak - before < 32 * 1024 * 1024
        assert await process.stopped() == 0
    assert (now.accepted, now.dead_lettered) == (len(good), len(REFUSED))
    found = await letters(redis_client, queue_name)
    assert found.keys() == REFUSED.keys()
    for element, said in REFUSED.items():
        reason, detail = found[element]
        assert (reason, said in detail) == ("invalid", True), (element[:40], detail)
    for user in range(7):
        mine = [json.loads(body)["n"] for name, body in sent(bare) if name == f"u{user}"]
        assert mine == list(range(user, 200, 7))


@fault(
    "input",
    "a user ID that is a path, a header, a query, or 10,000 letters long",
    "it stays one segment of the path",
    keeps=(1, 2, 4),
)
async def test_no_request_leaves_the_path_of_its_user(
    api: Simulator, redis_url: str, redis_client: Redis, queue_name: str, worker: Start
) -> None:
    pushed = [event(user, n) for n in range(3) for user in USERS]
    async with raw(times=0) as bare:
        await redis_client.rpush(queue_name, *pushed)
        worker(settings(redis_url, queue_name, api, api_url=bare.url))
        now = await settled(redis_client, queue_name)
    assert (now.accepted, now.dead_lettered) == (len(pushed), 0)
    numbers: dict[str, list[int]] = {}
    for user, body in sent(bare):
        numbers.setdefault(user, []).append(json.loads(body)["n"])
    assert numbers == {user: [0, 1, 2] for user in USERS}


@pytest.mark.long
@fault("input", "thousands of events damaged at random", "each is accepted or a dead letter", keeps=(1, 2, 4))
async def test_damaged_events_are_accepted_or_become_letters(
    api: Simulator, redis_url: str, redis_client: Redis, queue_name: str, worker: Start
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)

    def damaged(n: int) -> bytes:
        element = bytearray(event(f"d{n % 50}", n, text="a\\u00e9\ud83d", nested={"a": [1.5, None]}))
        for _ in range(dice.randrange(4)):
            start = dice.randrange(len(element))
            element[start : start + dice.randrange(4)] = dice.randbytes(dice.randrange(3))
        return bytes(element)

    good = [event(f"g{n % 7}", n) for n in range(3_000)]
    bad = [damaged(n) for n in range(3_000)]
    async with raw(times=0) as bare:
        await redis_client.rpush(
            queue_name, *good[:200], *(x for pair in zip(good[200:], bad, strict=False) for x in pair), *bad[2_800:]
        )
        worker(settings(redis_url, queue_name, api, api_url=bare.url))
        now = await settled(redis_client, queue_name, within=60)
    assert now.accepted + now.dead_lettered == len(good) + len(bad)
    arrived = sent(bare)
    assert len(arrived) == now.accepted
    entries: Any = await redis_client.xrange(f"{{{queue_name}}}:dead")
    refused = Counter(fields[b"element"] for _, fields in entries)
    assert refused <= Counter(bad)
    assert 0 < refused.total() < len(bad)
    for user in range(7):
        assert [json.loads(body)["n"] for name, body in arrived if name == f"g{user}"] == list(range(user, 3_000, 7))
