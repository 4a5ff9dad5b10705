import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from forwarder.simulator import Faults, Simulator
from tests.support.simulator_client import EVENT, KEY, Client, Clock, connection, request_bytes


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Simulator(KEY) as simulator, aiohttp.ClientSession() as session:
        yield Client(simulator, session)


@pytest.mark.parametrize(
    ("scripted", "body", "headers"),
    [
        ({"status": 503, "retry_after": 3}, "{}", {"Retry-After": "3", "Content-Type": "application/json"}),
        ({"status": 429, "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "{}", {}),
        ({"status": 401}, '{"error":"unauthorized"}', {}),
        ({"status": 403, "body": "é"}, "é", {}),
        ({"status": 204}, "", {}),
        ({"status": 302, "location": "http://portal/"}, "{}", {"Location": "http://portal/"}),
        (
            {"status": 200, "body": "<html>", "content_type": "text/html"},
            "<html>",
            {"Content-Type": "text/html"},
        ),
    ],
)
async def test_everybody_gets_the_status_for_all(
    client: Client, scripted: dict[str, Any], body: str, headers: dict[str, str]
) -> None:
    client.simulator.faults = Faults.model_validate({"status_all": scripted})
    got = [
        await client.post(),
        await client.post("u-2", b"{}", Authorization=None),
        await client.ask("GET", "/"),
    ]
    for answer in got:
        assert (answer.status, answer.body) == (scripted["status"], body)
        assert headers.items() <= answer.headers.items()
    assert client.simulator.ledger.accepted_events == 0


async def test_a_random_status_is_answered_instead_of_accepting(client: Client) -> None:
    client.simulator.faults = Faults.model_validate({"statuses": [{"status": 503, "rate": 0.5, "retry_after": 1}]})
    got = [await client.post() for _ in range(40)]
    accepted = sum(answer.status == 202 for answer in got)
    assert {answer.status for answer in got} == {202, 503}
    assert all(answer.headers["Retry-After"] == "1" for answer in got if answer.status == 503)
    assert client.simulator.ledger.accepted_posts == accepted == client.simulator.posts[202]


async def test_a_refused_event_makes_its_post_a_400(client: Client) -> None:
    client.simulator.faults = Faults.model_validate({"refuse": [{"member": "poison"}]})
    assert (await client.post("u", EVENT, b'{"name":"a","poison":1}')).status == 400
    assert (await client.post("u", EVENT)).status == 202
    assert client.simulator.ledger.events("u") == [EVENT]


async def test_too_many_bytes_or_events_are_too_large(client: Client) -> None:
    client.simulator.faults = Faults(max_body_bytes=len(EVENT) + 13, max_events=2)
    assert (await client.post("u", EVENT)).status == 202
    assert (await client.post("u", EVENT + b" ")).status == 413
    client.simulator.faults = Faults(max_events=2)
    assert (await client.post("u", EVENT, EVENT)).status == 202
    assert (await client.post("u", EVENT, EVENT, EVENT)).status == 413


async def test_a_body_of_megabytes_is_read_when_no_limit_is_scripted(client: Client) -> None:
    body = b'{"events":[{"name":"a","pad":"' + b"x" * 3_000_000 + b'"}]}'
    async with connection(client.simulator) as (reader, writer):
        writer.write(request_bytes(body))
        assert b" 202 " in await reader.readline()


async def test_above_the_rate_everybody_gets_429() -> None:
    clock = Clock()
    faults = Faults(max_rate=2, rate_retry_after=9)
    async with Simulator(KEY, faults=faults, clock=clock) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        got = [await client.post(f"u-{n}") for n in range(3)]
        clock.now += 1
        got.append(await client.post())
    assert [answer.status for answer in got] == [202, 202, 429, 202]
    assert got[2].headers["Retry-After"] == "9"


async def test_an_outage_begins_and_ends_by_the_clock() -> None:
    clock = Clock()
    faults = Faults.model_validate({"outage": {"after": 10, "for": 5}})
    async with Simulator(KEY, faults=faults, clock=clock) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        seen = []
        for _ in range(4):
            seen.append((await client.post()).status)
            clock.now += 5
        await simulator.stop()
        await simulator.start(port=simulator.port)
        clock.now += 12
        seen.append((await client.post()).status)
    assert seen == [202, 202, 503, 202, 503]


async def test_a_refusing_outage_resets_connections_before_reading() -> None:
    clock = Clock()
    faults = Faults.model_validate({"outage": {"after": 10, "for": 5, "mode": "refuse"}})
    async with Simulator(KEY, faults=faults, clock=clock) as simulator:
        clock.now += 10
        async with connection(simulator) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert simulator.ledger.arrived == 0


async def test_while_down_new_and_kept_connections_are_reset(client: Client) -> None:
    async with connection(client.simulator) as (kept, writer):
        writer.write(request_bytes())
        assert b" 202 " in await kept.readline()
        await kept.readuntil(b"\r\n\r\n{}")
        client.simulator.down = True
        writer.write(request_bytes())
        with pytest.raises(ConnectionResetError):
            await kept.read()
    async with connection(client.simulator) as (new, _):
        with pytest.raises(ConnectionResetError):
            await new.read()
    client.simulator.down = False
    assert (await client.post()).status == 202
    assert client.simulator.ledger.arrived == 2


@pytest.mark.parametrize(("fault", "accepted"), [("reset_before_rate", 0), ("reset_after_rate", 1)])
async def test_a_reset_comes_before_or_after_accepting(client: Client, fault: str, accepted: int) -> None:
    client.simulator.faults = Faults.model_validate({fault: 1})
    async with connection(client.simulator) as (reader, writer):
        writer.write(request_bytes())
        with pytest.raises(ConnectionResetError):
            await reader.read()
    assert client.simulator.ledger.accepted_posts == accepted
    assert [request.status for request in client.simulator.ledger.requests] == [None]
    assert not client.simulator.posts


@pytest.mark.parametrize("scripted", [{"hang_rate": 1}, {"outage": {"for": 1e9, "mode": "hang"}}])
async def test_a_hang_is_neither_answered_nor_accepted_and_does_not_delay_a_stop(
    client: Client, scripted: dict[str, Any]
) -> None:
    client.simulator.faults = Faults.model_validate(scripted)
    async with connection(client.simulator) as (reader, writer):
        writer.write(request_bytes())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        assert [request.status for request in client.simulator.ledger.requests] == [None]
        async with asyncio.timeout(1):
            await client.simulator.stop()
            assert await reader.read() == b""
    assert client.simulator.ledger.accepted_events == 0


async def test_latency_comes_between_accepting_and_answering() -> None:
    asleep, wake = asyncio.Event(), asyncio.Event()
    delays = []

    async def sleep(delay: float) -> None:
        delays.append(delay)
        asleep.set()
        await wake.wait()

    async with (
        Simulator(KEY, faults=Faults(latency=3), sleep=sleep) as simulator,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as tasks,
    ):
        posting = tasks.create_task(Client(simulator, session).post())
        await asleep.wait()
        assert simulator.ledger.accepted_events == 1
        assert not posting.done()
        wake.set()
        assert (await posting).status == 202
    assert delays == [3]


async def test_a_client_that_gives_up_leaves_its_request_without_a_status() -> None:
    asleep, gone = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with Simulator(KEY, faults=Faults(latency=3), sleep=sleep) as simulator:
        async with connection(simulator) as (_, writer):
            writer.write(request_bytes())
            await asleep.wait()
        async with asyncio.timeout(5):
            await gone.wait()
        assert [request.status for request in simulator.ledger.requests] == [None]
        assert simulator.ledger.accepted_posts == 1


async def test_stop_frees_the_port_and_start_takes_it_again(client: Client) -> None:
    simulator, port = client.simulator, client.simulator.port
    for round_ in range(1, 4):
        assert (await client.post()).status == 202
        async with connection(simulator) as (reader, _):
            async with asyncio.timeout(1):
                await simulator.stop()
                assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await simulator.start(port=port)
        assert simulator.url == f"http://127.0.0.1:{port}"
        assert simulator.ledger.accepted_posts == round_


async def test_stop_is_harmless_twice_and_start_is_not(client: Client) -> None:
    with pytest.raises(RuntimeError):
        await client.simulator.start()
    await client.simulator.stop()
    await client.simulator.stop()
