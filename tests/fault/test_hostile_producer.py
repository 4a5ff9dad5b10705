"""What somebody who can push to the list can and cannot do; beside what test_absurd_input.py shows."""

import asyncio
import json
import re
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.simulator import Faults, Refusal, Simulator, UserAnswer
from tests.support.faults import fault
from tests.support.servers.raw_api import raw
from tests.support.service import (
    WorkerProcess,
    census,
    command,
    environment,
    event,
    eventually,
    fetch,
    settings,
    settled,
)

Start = Callable[..., WorkerProcess]

TOKEN = "a-token-of-this-test"

#: What forges a line of a log, clears a terminal, writes from right to left, and is a tag of a page or of rich.
MISCHIEF = 'm1schief\n{"event":"forged"}\r\x1b[2J\x1b]0;title\x07\x9b31m\u202e[bold red][/x]<script>%s{0}'


async def test_what_producers_write_is_in_no_log_metric_or_page(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(refuse=(Refusal(name=MISCHIEF),), users={})
    logs = []
    for log_format in ("json", "console"):
        process = worker(settings(redis_url, queue_name, api, log_format=log_format, log_level="debug", admin_port=0))
        await redis_client.rpush(
            queue_name,
            event(MISCHIEF, 1),
            event(MISCHIEF, 2, name=MISCHIEF),
            event("u", 3, date=MISCHIEF),
            MISCHIEF.encode(),
            event("u", 4, **{MISCHIEF: MISCHIEF}),
        )
        await settled(redis_client, queue_name)
        if log_format == "json":
            address = await process.admin()
            shown = [(await fetch(address + path))[1] for path in ("/", "/status.json", "/metrics", "/readyz")]
            assert not [text for text in shown if "m1schief" in text]
        await process.stopped()
        logs.append(process.log.read_text())
    assert "m1schief" not in "".join(logs)


ADDRESS = "alice@s3cr3t.example"
#: A place for an address in each part of an event: values, the names of members, what is no event.
NAMING = [
    {"user_id": ADDRESS, "name": "test"},
    {"user_id": "u", "name": ADDRESS},
    {"user_id": "u", "name": "test", "date": ADDRESS},
    {"user_id": "u", "name": "refused", "carts": {ADDRESS: 1}},
    {"user_id": "u", "name": "refused", ADDRESS: None},
    {"user_id": "u", "name": "refused", "carts": [{ADDRESS: {ADDRESS: {ADDRESS: {}}}}]},
    {"user_id": "u", "name": f"refused {ADDRESS} \x07"},
    {"user_id": "u", "name": "refused", "date": "1907-03-04T05:06:07+08:09"},
    {"user_id": "u", "name": "test", ADDRESS: "x" * 3_000},
    {"user_id": f"gone {ADDRESS}", "name": "test"},
    {"user_id": f"failing {ADDRESS}", "name": "test"},
    {"user_id": f"erased {ADDRESS}", "name": "test"},
    {f"user_id {ADDRESS}": "u", f"name {ADDRESS}": "test"},
    {ADDRESS: 1},
    [ADDRESS],
    ADDRESS,
]
REASONS = {"invalid": 7, "rejected": 6, "too_large": 1, "exhausted": 1, "erased": 1, "other": 0}


@fault(
    "input",
    "an address in any part of an event, also as the name of a member, for every reason of a dead letter",
    "nobody sees it without the token: not on the page, in a probe, a metric or the log",
    keeps=[1],
)
async def test_what_an_event_says_or_names_is_shown_to_nobody_without_the_token(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(
        refuse=(Refusal(name="refused"), Refusal(name=f"refused {ADDRESS} \x07")),
        users={
            f"gone {ADDRESS}": UserAnswer(status=404),
            f"failing {ADDRESS}": UserAnswer(status=503),
            f"erased {ADDRESS}": UserAnswer(status=451),
        },
        max_body_bytes=2_000,
    )
    given = settings(redis_url, queue_name, api, admin_token=TOKEN, log_level="debug", max_attempts=1, max_retry_age=0)
    process = worker(given)
    await redis_client.rpush(queue_name, event("u", 0))  # somebody is accepted
    await settled(redis_client, queue_name)
    elements = [json.dumps(each).encode() for each in NAMING]
    await redis_client.rpush(queue_name, *elements, b'{"%b' % ADDRESS.encode(), b"%b\xff" % ADDRESS.encode())
    address = await process.admin()

    async def every_reason() -> bool:
        """An attempt counts only while others are accepted, so some are pushed."""
        await redis_client.rpush(queue_name, *[event(f"v{n}", n) for n in range(5)])
        letters = json.loads((await fetch(address + "/status.json"))[1])["letters"]
        return bool(letters and letters["by_reason"] == REASONS)

    await eventually(every_reason)
    shown = [(await fetch(address + path))[1] for path in ("/", "/status.json", "/metrics", "/readyz", "/letters.json")]
    assert await process.stopped() == 0
    for text in (*shown, process.log.read_text()):
        assert not re.search("s3cr3t|1907|08:09", text), text


async def test_what_a_terminal_is_shown_moves_no_cursor(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """Of producers, and also of whoever can write the keys beside the list."""
    api.faults = Faults(refuse=(Refusal(name=MISCHIEF),))
    given = settings(redis_url, queue_name, api)
    process = worker(given)
    await redis_client.rpush(queue_name, event(MISCHIEF, 1, name=MISCHIEF), event("u", 2, date=MISCHIEF))
    await settled(redis_client, queue_name)
    await process.stopped()
    letter = {"element": event(MISCHIEF, 3), "reason": MISCHIEF, "status": MISCHIEF, "detail": MISCHIEF}
    await redis_client.xadd(f"{{{queue_name}}}:dead", letter)  # type: ignore[arg-type]
    (first, *_) = [each.id async for each in ListLetters(redis_client, Keys(queue_name)).all()]
    commands = [
        "dead list",
        f"dead show {first}",
        "dead replay --all --dry-run --set x=1",
        "dead delete --all --dry-run",
    ]
    await shows_nothing_that_moves(commands, environment(given))
    halt = {"reason": MISCHIEF, "detail": MISCHIEF, "since": MISCHIEF, "fingerprint": ""}
    await redis_client.set(f"{{{queue_name}}}:halt", json.dumps(halt))
    await shows_nothing_that_moves(["status", "check", "resume"], environment(given))
    await redis_client.set(f"{{{queue_name}}}:shards", MISCHIEF)
    await shows_nothing_that_moves(["status", "dead list"], environment(given))


async def shows_nothing_that_moves(commands: list[str], given: dict[str, str]) -> None:
    for arguments in commands:
        _, out, err = await command(*arguments.split(), environment=given)
        assert "m1schief" in out + err or "delete" in arguments, (arguments, out, err)
        assert not [char for char in out + err if not char.isprintable() and char != "\n"], (arguments, out, err)
        assert "Traceback" not in err


@pytest.mark.long
async def test_long_users_are_counted_as_memory(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """While nobody is accepted, so that as much is claimed as may be."""
    long, seen = "é" * 2_000 + "😀", [0]
    async with raw(_busy, times=2**30) as outage:
        process = worker(
            settings(redis_url, queue_name, api, api_url=outage.url, max_buffered_bytes=8_000_000), fresh=True
        )
        await redis_client.rpush(queue_name, event("u", 0))
        await eventually(lambda: len(outage.requests) > 3)
        before = process.peak
        for start in range(0, 20_000, 1_000):
            await redis_client.rpush(queue_name, *[event(f"{long}{n}", n) for n in range(start, start + 1_000)])

        async def claims_no_more() -> bool:
            seen.append((await census(redis_client, queue_name)).claimed)
            return seen[-1] > 500 and seen[-40:] == seen[-1:] * 40

        await eventually(claims_no_more, pause=0.05)
        assert (await census(redis_client, queue_name)).letters == 0
        grown = process.peak - before
    print(f"{grown / 1e6:.0f} MB more, with {seen[-1]} claimed")
    assert grown < 48_000_000


async def _busy(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
