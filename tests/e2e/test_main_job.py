"""The main job as a user runs it: `forwarder push`, `forwarder run`, real purchases, the stand-in API."""

import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder import __version__
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults, RandomAnswer, Refusal, Simulator
from tests.support.faults import fault
from tests.support.servers.prometheus import program, prometheus
from tests.support.service import (
    KEY,
    WorkerProcess,
    accepted,
    by_user,
    census,
    command,
    environment,
    event,
    eventually,
    fetch,
    fresh_command,
    purchases,
    settings,
    settled,
)

Start = Callable[..., WorkerProcess]


@pytest.mark.parametrize("most", [3_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_all_the_shops_purchases_are_accepted_exactly_once_and_in_order(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, most: int
) -> None:
    given = settings(redis_url, queue_name, api)
    elements = purchases(most)
    count = len(elements)
    assert count == min(most, 69_659)
    code, out, err = await fresh_command("push", "-", environment=environment(given), stdin=b"\n".join(elements))
    assert (code, err) == (0, "")
    assert f"pushed {count:,} events" in out
    process = worker(given, fresh=True)
    now = await settled(redis_client, queue_name, within=100)
    assert (now.accepted, now.sequence, now.dead_lettered) == (count, count, 0)
    assert accepted(api) == by_user(elements)
    assert await process.stopped() == 0


@pytest.mark.parametrize("count", [3_000, pytest.param(12_000, marks=pytest.mark.long)])
@fault(
    "API",
    "5 % answer 503, 2 % reset after accepting, 1 % of events are bad, one SIGKILL",
    "each event is accepted, or a dead letter with the right reason",
    keeps=(1, 2, 3, 4),
)
async def test_faults_bad_events_and_a_sigkill_half_way_lose_nothing_and_explain_every_double(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, count: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    api.faults = Faults(
        latency=0.005,
        statuses=[RandomAnswer(status=503, rate=0.05)],
        reset_after_rate=0.02,
        refuse=[Refusal(member="refused")],
    )
    elements = purchases(count)
    nameless, refused = set(), set()
    for n, element in enumerate(elements):
        if (draw := dice.random()) < 0.005:
            nameless.add(n)
            elements[n] = element.replace(b'"name"', b'"eman"')
        elif draw < 0.01:
            refused.add(n)
            elements[n] = element[:-1] + b',"refused":true}'
    for start in range(0, len(elements), 1_000):
        await redis_client.rpush(queue_name, *elements[start : start + 1_000])

    given = settings(redis_url, queue_name, api, lease_ttl=3.0)
    first = worker(given)
    await eventually(lambda: api.ledger.accepted_events > count // 2, within=60)
    arrived = len(api.ledger.requests)
    first.kill()
    second = worker(given)
    now = await settled(redis_client, queue_name, within=100)
    _, metrics = await fetch(await second.admin() + "/metrics")
    assert await second.stopped() == 0

    letters = [letter async for letter in ListLetters(redis_client, Keys(queue_name)).all()]
    assert {json.loads(e.element)["n"] for e in letters if e.reason == "invalid"} == nameless
    assert {json.loads(e.element)["n"] for e in letters if e.reason == "rejected"} == refused
    assert len(letters) == len(nameless) + len(refused) == now.letters
    assert {e.detail for e in letters if e.reason == "invalid"} == {"name: missing"}
    assert {e.element for e in letters} == {elements[n] for n in nameless | refused}

    good = by_user(e for n, e in enumerate(elements) if n not in nameless | refused)
    got = accepted(api)
    assert {user: list(dict.fromkeys(numbers)) for user, numbers in got.items()} == good

    doubled = sum(map(len, got.values())) - sum(map(len, good.values()))
    cut = [r.events for r in api.ledger.requests if r.status is None]
    unsettled = [r.events for r in api.ledger.requests[:arrived][-1_000 - given.concurrency :]]
    assert doubled <= sum(cut) + sum(unsettled), "only what was ambiguous, in flight or not yet settled"
    assert 'forwarder_events_dead_lettered_total{reason="rejected"}' in metrics


@fault("API", "it is down", "gentle probes; full speed soon afterwards", keeps=(1, 2, 6))
async def test_an_outage_dead_letters_nothing_and_is_probed_gently(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    elements = [event(f"u{n % 500}", n) for n in range(5_000)]
    await redis_client.rpush(queue_name, *elements)
    port = api.port
    await api.stop()
    process = worker(settings(redis_url, queue_name, api, retry_initial=0.5, retry_max=2.0))
    admin = await process.admin()

    async def refused() -> int:
        _, text = await fetch(admin + "/metrics")
        lines = [x for x in text.splitlines() if x.startswith('forwarder_posts_total{status="refused"}')]
        return int(float(lines[0].split()[-1])) if lines else 0

    async def probed() -> bool:
        return await refused() >= 68

    await eventually(probed, within=30, what="the first round and some probes")
    assert await refused() < 64 + 20, "one round of POSTs, and then one at a time"
    assert (await census(redis_client, queue_name)).letters == 0
    await api.start(port=port)
    await settled(redis_client, queue_name, within=60)
    assert accepted(api) == by_user(elements)


async def test_sigterm_finishes_what_is_in_flight_and_the_next_worker_goes_on_at_once(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.2)
    elements = [event(f"u{n}", n) for n in range(400)]
    await redis_client.rpush(queue_name, *elements)
    given = settings(redis_url, queue_name, api, concurrency=8)
    first = worker(given)
    await eventually(lambda: api.ledger.accepted_events >= 20)
    assert await first.stopped() == 0
    now = await census(redis_client, queue_name)
    assert (now.accepted, now.lease) == (api.ledger.accepted_events, None), "settled and released"
    api.faults = Faults()
    worker(given)
    await settled(redis_client, queue_name)
    assert accepted(api) == by_user(elements)


@fault(
    "process", "stopped twice (SIGTERM), so that it stops at once", "the next owner adopts what was claimed", keeps=(1,)
)
async def test_a_second_sigterm_ends_at_once_and_loses_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(hang_rate=1.0)
    elements = [event(f"u{n}", n) for n in range(20)]
    await redis_client.rpush(queue_name, *elements)
    given = settings(redis_url, queue_name, api, request_timeout=30.0, lease_ttl=40.0)
    process = worker(given)
    await eventually(lambda: len(api.ledger.requests) >= 20)
    process.process.terminate()
    await eventually(lambda: any("finishing what is in flight" in str(x.get("event")) for x in process.lines()))
    assert await process.stopped(within=5) == 0
    now = await census(redis_client, queue_name)
    assert (now.claimed, now.lease) == (20, None)


async def test_promtool_accepts_the_metrics(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    promtool = program("promtool")
    await redis_client.rpush(queue_name, event("u", 1), b"nonsense")
    process = worker(settings(redis_url, queue_name, api))
    admin = await process.admin()
    await settled(redis_client, queue_name)
    _, text = await fetch(admin + "/metrics")
    checked = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    shown = {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    }
    assert shown[f'forwarder_build_info{{version="{__version__}"}}'] == 1
    assert 0 <= time.time() - shown["forwarder_api_last_accepted_timestamp_seconds"] < 60
    assert shown["process_resident_memory_bytes"] > 10_000_000


async def test_a_real_prometheus_scrapes_it(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, tmp_path: Path
) -> None:
    process = worker(settings(redis_url, queue_name, api))
    async with prometheus(tmp_path) as watching:
        watching.scrape("f", [await process.admin()])
        await redis_client.rpush(queue_name, event("u", 1))
        await settled(redis_client, queue_name)

        async def scraped() -> bool:
            found = await watching.query("forwarder_events_accepted_total")
            return any(float(each["value"][1]) == 1 for each in found)

        await eventually(scraped, what="prometheus has the metric")


async def test_the_key_shows_nowhere(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.api_key = "another"
    await redis_client.rpush(queue_name, event("u", 1))
    process = worker(settings(redis_url, queue_name, api, log_level="debug"), fresh=True)
    admin = await process.admin()
    await eventually(Queue(redis_client, queue_name, 1).halt)
    pages = [(await fetch(admin + path))[1] for path in ("/", "/metrics", "/livez", "/readyz")]
    arguments = Path(f"/proc/{process.process.pid}/cmdline").read_bytes().decode()
    halt = await redis_client.get(QueueKeys(queue_name).halt)
    code, out, err = await command("check", environment=environment(settings(redis_url, queue_name, api)))
    assert (code, "refuses the key" in out) == (1, True)
    assert await process.stopped() == 0
    for text in (*pages, arguments, str(halt), out, err, process.log.read_text()):
        assert KEY not in text
