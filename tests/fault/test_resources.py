"""A machine that runs out of what it should have: descriptors, time, a place to log to, names."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.simulator import Faults, RandomAnswer, Simulator, UserAnswer
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.service import (
    WorkerProcess,
    census,
    environment,
    event,
    eventually,
    fetch,
    fresh_command,
    settings,
    settled,
)
from tests.support.world import World

Start = Callable[..., WorkerProcess]

#: No resolver may ever know it (RFC 6761).
NOWHERE = "forwarder-test.invalid"


def lines_of(process: WorkerProcess, what: str) -> list[dict[str, object]]:
    return [line for line in process.lines() if line["event"] == what]


@fault(
    "machine",
    "no file descriptor left (`EMFILE`)",
    "POSTs wait unsent until there are some again",
    keeps=(1, 2, 3),
)
async def test_without_a_descriptor_nothing_is_sent_and_nothing_is_lost(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    process = worker(settings(redis_url, queue_name, api, max_events_per_post=4))
    admin = await process.admin()
    await eventually(lambda: lines_of(process, "lease acquired"))
    await redis_client.rpush(queue_name, event("first", -1))
    await settled(redis_client, queue_name)
    pid = process.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(n for n in count() if n not in taken), hard))
    pushed = [event(f"u{n % 200}", n) for n in range(2_000)]
    await redis_client.rpush(queue_name, *pushed)

    def told() -> bool:
        return any(line["status"] == "no_socket" for line in lines_of(process, "POST not accepted"))

    await eventually(told, what="the log names the cause")
    assert api.ledger.accepted_events < len(pushed)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    await settled(redis_client, queue_name, within=60)
    verdict = check(await observed([event("first", -1), *pushed], api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])
    assert "forwarder_posts_ambiguous_total 0.0" in (await fetch(admin + "/metrics"))[1]


@fault(
    "machine",
    "the process is frozen for a moment (SIGSTOP)",
    "`/livez` does not answer meanwhile; then the worker continues, and nothing is sent twice",
    keeps=(1, 2, 3),
)
async def test_a_frozen_worker_is_not_alive_and_goes_on_when_it_wakes(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(latency=0.01)
    pushed = [event(f"u{n % 300}", n) for n in range(4_000)]
    await redis_client.rpush(queue_name, *pushed)
    process = worker(settings(redis_url, queue_name, api, max_events_per_post=2, request_timeout=30.0, lease_ttl=90.0))
    admin = await process.admin()
    await eventually(lambda: api.ledger.accepted_events > 400)
    os.kill(process.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await fetch(admin + "/livez")
    finally:
        os.kill(process.process.pid, signal.SIGCONT)
    assert (await fetch(admin + "/livez"))[0] == 200
    await settled(redis_client, queue_name, within=60)
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


@fault(
    "machine",
    "the process wakes up after another worker has got its lease",
    "it sends nothing and stands by",
    keeps=(1, 3),
)
async def test_a_worker_that_wakes_without_its_lease_sends_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(users={"u": UserAnswer(status=503)})
    await redis_client.rpush(queue_name, event("u", 1))
    process = worker(settings(redis_url, queue_name, api, lease_ttl=2.5, request_timeout=1.0))
    await eventually(lambda: api.posts[503] > 20, what="it is tried again and again")
    os.kill(process.process.pid, signal.SIGSTOP)
    try:
        lease = Keys(queue_name).lease
        await eventually(lambda: redis_client.set(lease, "somebody", nx=True, px=600_000), what="the lease ends")
        before = api.ledger.arrived
    finally:
        os.kill(process.process.pid, signal.SIGCONT)
    await eventually(lambda: process.state == "standing by")
    assert api.ledger.arrived <= before + 1, "at most the POST that was frozen on its way"
    assert (await census(redis_client, queue_name)).claimed == 1
    api.faults = Faults()
    await redis_client.delete(lease)
    await settled(redis_client, queue_name)
    assert api.ledger.accepted_events == 1


@fault(
    "machine",
    "a brownout: hundreds of POSTs fail",
    "the log has one line per status every ten seconds",
    keeps=(1, 2, 3),
)
async def test_failing_posts_do_not_flood_the_log(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(statuses=(RandomAnswer(status=503, rate=0.5),))
    pushed = [event(f"u{n % 200}", n) for n in range(800)]
    await redis_client.rpush(queue_name, *pushed)
    process = worker(settings(redis_url, queue_name, api, max_events_per_post=1))
    await settled(redis_client, queue_name, within=90)
    assert await process.stopped() == 0
    said, counted = lines_of(process, "POST not accepted"), lines_of(process, "more of the same")
    assert api.posts[503] > 400
    assert len(said) + sum(int(str(line["times"])) for line in counted) == api.posts[503], "every one is counted"
    assert len(said) + len(counted) <= 2 + api._clock() / 10 - api.ledger.requests[0].at / 10
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])


@pytest.fixture(params=["closed", "full", "nobody reads"])
def bad_stderr(request: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    if request.param == "closed":
        yield {"first": lambda: os.close(2)}
        return
    if request.param == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    yield {"stderr": descriptor}
    os.close(descriptor)


@fault(
    "machine",
    "no log: stderr is closed, its disk is full, or its reader is gone",
    "log lines are lost, events are not",
    keeps=(1, 2, 3),
)
async def test_a_log_that_cannot_be_written_costs_no_event(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, bad_stderr: dict[str, object]
) -> None:
    api.faults = Faults(statuses=(RandomAnswer(status=503, rate=0.2),))
    pushed = [event(f"u{n % 100}", n) for n in range(1_000)]
    await redis_client.rpush(queue_name, *pushed)
    process = worker(settings(redis_url, queue_name, api, max_events_per_post=3), **bad_stderr)
    await settled(redis_client, queue_name, within=60)
    assert process.process.poll() is None
    verdict = check(await observed(pushed, api, redis_client, queue_name))
    assert (verdict.faults, verdict.explained) == ({}, [])
    assert await process.stopped() == 0


@fault("machine", "the API's name does not resolve", "the service waits and says so; it does not halt", keeps=(1, 5, 6))
async def test_a_name_of_the_api_that_does_not_resolve_is_an_outage(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    pushed = [event(f"u{n}", n) for n in range(20)]
    await redis_client.rpush(queue_name, *pushed)
    process = worker(settings(redis_url, queue_name, api, api_url=f"http://{NOWHERE}", dead_letter_brake=10))

    def told() -> bool:
        return any(line["status"] in ("dns", "timeout") for line in lines_of(process, "POST not accepted"))

    await eventually(told, within=40)
    now = await census(redis_client, queue_name)
    assert (now.waiting + now.claimed, now.letters) == (20, 0)
    assert lines_of(process, "halted") == []
    await process.stopped(within=40)
    worker(settings(redis_url, queue_name, api))
    await settled(redis_client, queue_name)
    assert api.ledger.accepted_events == 20


#: A name server that does not answer: the C library waits for it, usually for 20 s. It
#: stands in a `sitecustomize`, so that the process under test has no hook for it.
_SILENT_SERVER = """
import socket, time
_resolve = socket.getaddrinfo
def getaddrinfo(host, *others, **more):
    if host == "silent.example":
        time.sleep(60)
    return _resolve(host, *others, **more)
socket.getaddrinfo = getaddrinfo
"""


@fault(
    "machine",
    "the name server is silent",
    "the service waits; `forwarder check` and a service that stops do not wait for it",
    keeps=(1, 6),
)
async def test_a_process_that_has_finished_does_not_wait_for_a_silent_name_server(
    world: World, worker: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_SILENT_SERVER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    await world.push(event("u", 1))
    given = world.settings(api_url="http://silent.example", request_timeout=0.5)
    process = worker(given, fresh=True)
    (line,) = await eventually(lambda: lines_of(process, "POST not accepted"))
    assert (line["status"], line["reason"]) == ("timeout", "no connection in time")
    begun = time.monotonic()
    assert await process.stopped() == 0
    code, out, _ = await fresh_command("check", environment=environment(given))
    assert (code, "does not answer (timeout): no connection in time" in out) == (1, True)
    assert time.monotonic() - begun < 40, "less than one look-up takes"


@fault("machine", "the name of Redis does not resolve", "the service waits, says so, and can be stopped", keeps=(1,))
async def test_a_name_of_redis_that_does_not_resolve_is_waited_for(
    queue_name: str, api: Simulator, worker: Start
) -> None:
    process = worker(settings(f"redis://{NOWHERE}:6379/0", queue_name, api))
    admin = await process.admin()
    await eventually(lambda: lines_of(process, "Redis is unavailable; retrying. Nothing is lost."), within=40)
    status, text = await fetch(admin + "/readyz")
    assert (status, NOWHERE in text) == (503, True)
    assert await process.stopped(within=40) == 0
    assert api.ledger.arrived == 0
