"""What somebody who can push to the list can and cannot do; beside what test_absurd_input.py shows."""

import asyncio
import json
from collections.abc import Callable

from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.simulator import Faults, Refusal, Simulator
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
