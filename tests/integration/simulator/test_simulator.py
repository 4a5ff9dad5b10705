import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from forwarder.simulator import Faults, Simulator
from tests.support.simulator_client import EVENT, KEY, Client, Clock, connection, credentials, request_bytes


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Simulator(KEY) as simulator, aiohttp.ClientSession() as session:
        yield Client(simulator, session)


async def test_an_accepted_post_is_registered_byte_for_byte(client: Client) -> None:
    odd = b'{"name":"a" , "price":1.10,"big":1180591620717411303424,"t":"\\u00e9\xc3\xa9"}'
    got = await client.post("u-1", odd, EVENT)
    assert (got.status, got.body) == (202, "{}")
    assert got.headers["Content-Type"].startswith("application/json")
    assert client.simulator.ledger.events("u-1") == [odd, EVENT]


@pytest.mark.parametrize("version", ["v4", "v5", "v6"])
async def test_every_documented_version_is_served(client: Client, version: str) -> None:
    got = await client.ask("POST", f"/{version}/users/u/events", b'{"events":[' + EVENT + b"]}")
    assert got.status == 202


@pytest.mark.parametrize(
    ("segment", "user"),
    [
        ("a%2Fb", "a/b"),
        ("a%3fb", "a?b"),
        ("%C3%A9", "é"),
        ("%252e", "%2e"),
        ("a+b", "a+b"),
        ("%20", " "),
        ("...", "..."),
    ],
)
async def test_a_user_id_is_one_decoded_segment(client: Client, segment: str, user: str) -> None:
    assert (await client.post(segment)).status == 202
    assert client.simulator.ledger.users() == [user]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v3/users/u/events",
        "/v7/users/u/events",
        "//v6/users/u/events",
        "/v6/users//events",
        "/v6/users/a/b/events",
        "/v6/users/./events",
        "/v6/users/../events",
        "/v6/users/%2e%2E/events",
        "/v6/users/u/events/",
        "/v6/users/u/events?x=1",
        "/v6/users/a?b/events",
        "/v6/users/%FF/events",
        "/v6/users/%zz/events",
    ],
)
async def test_any_other_path_is_not_found(client: Client, path: str) -> None:
    request = request_bytes().replace(b"/v6/users/u-1/events", path.encode())
    async with connection(client.simulator) as (reader, writer):
        writer.write(request)
        assert b" 404 " in await reader.readline()
        assert (await reader.readuntil(b"\r\n\r\n{}")).endswith(b"{}")
    assert client.simulator.ledger.accepted_events == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_not_allowed(client: Client, method: str) -> None:
    assert (await client.ask(method, "/v6/users/u/events")).status == 405


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !!!",
        credentials(KEY)[:10] + "!" + credentials(KEY)[10:],
        credentials("other"),
        credentials(KEY, user="someone"),
        credentials(KEY + "\n"),
        "Basic " + base64.b64encode(KEY.encode()).decode(),
        f"Bearer {KEY}",
    ],
)
async def test_wrong_credentials_are_unauthorized(client: Client, authorization: str | None) -> None:
    got = await client.post(Authorization=authorization)
    assert (got.status, got.body) == (401, '{"error":"unauthorized"}')
    assert client.simulator.ledger.accepted_events == 0


async def test_credentials_come_before_everything_in_the_body(client: Client) -> None:
    client.simulator.faults = Faults.model_validate({"users": {"u-1": {"status": 500, "times": 1}}, "max_rate": 0})
    assert (await client.post("u-1", b"{}", Authorization=None)).status == 401
    assert (await client.post("u-1", b"{}")).status == 400
    client.simulator.faults = client.simulator.faults.model_copy(update={"max_rate": 10})
    assert [(await client.post()).status for _ in range(2)] == [500, 202]


async def test_the_key_can_be_rotated(client: Client) -> None:
    client.simulator.api_key = "nëw"
    assert (await client.post()).status == 401
    assert (await client.post(Authorization=credentials("nëw"))).status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": None},
        {"Accept": "*/*"},
        {"Accept": "text/html, application/jsonp"},
        {"Content_Type": None},
        {"Content_Type": "text/plain"},
    ],
)
async def test_both_headers_are_required(client: Client, headers: dict[str, str | None]) -> None:
    got = await client.post("u-1", EVENT, **headers)
    assert (got.status, got.body) == (400, "{}")


async def test_parameters_of_the_headers_do_no_harm(client: Client) -> None:
    got = await client.post(Accept="text/html, application/json;q=0.9", Content_Type="application/json; charset=utf-8")
    assert got.status == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"events":null}',
        b'{"events":[]}',
        b'{"events":{"name":"a"}}',
        b'{"events":[{"name":"a"}]} x',
        b'\xef\xbb\xbf{"events":[{"name":"a"}]}',
        b'{"events":[{"name":"a","x":"\xff"}]}',
        b'{"events":[{"name":"a","x":NaN}]}',
        b'{"events":[{"name":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
)
async def test_a_body_without_a_list_of_events_is_malformed(client: Client, body: bytes) -> None:
    got = await client.ask("POST", "/v6/users/u/events", body)
    assert (got.status, got.body) == (400, "{}")


@pytest.mark.parametrize(
    "bad",
    [
        b"1",
        b"null",
        b'["name"]',
        b"{}",
        b'{"name":""}',
        b'{"name":1}',
        b'{"name":null}',
        b'{"Name":"a"}',
        b'{"name":"a","date":null}',
        b'{"name":"a","date":1473617063}',
        b'{"name":"a","date":""}',
        b'{"name":"a","date":"yesterday"}',
        b'{"name":"a","date":"2016-09-11"}',
        b'{"name":"a","date":"2016-02-30T00:00:00Z"}',
        b'{"name":"a","date":"2016-09-11T25:00:00Z"}',
        b'{"name":"a","date":"2016-09-11T18:04:23Z "}',
    ],
)
async def test_one_malformed_event_refuses_the_whole_post(client: Client, bad: bytes) -> None:
    got = await client.post("u-1", EVENT, bad, EVENT)
    assert (got.status, got.body) == (400, "{}")
    assert client.simulator.ledger.accepted_events == 0
    assert client.simulator.ledger.requests[0].events == 3


@pytest.mark.parametrize(
    "date",
    [
        "2016-09-11T18:04:23Z",
        "2016-09-11T18:04:23",
        "2016-09-11T18:04Z",
        "2016-09-11 18:04:23+02:00",
        "2016-09-11T18:04:23.123456789-0330",
    ],
)
async def test_every_usual_form_of_a_date_time_is_accepted(client: Client, date: str) -> None:
    assert (await client.post("u", json.dumps({"name": "a", "date": date}).encode())).status == 202


async def test_the_ledger_keeps_the_order_of_acceptance(client: Client) -> None:
    for number in range(4):
        await client.post(f"u-{number % 2}", b'{"name":"%d"}' % number, b'{"name":"x",\n"n":%d}' % number)
    got = await client.ask("GET", "/ledger", Authorization=None)
    lines = [json.loads(line) for line in got.body.splitlines()]
    assert [(line["user"], line["post"], line["event"]) for line in lines] == [
        (f"u-{n % 2}", n + 1, event) for n in range(4) for event in ({"name": str(n)}, {"name": "x", "n": n})
    ]
    assert client.simulator.ledger.users() == ["u-0", "u-1"]
    assert client.simulator.ledger.events("u-1")[2] == b'{"name":"3"}'
    assert client.simulator.ledger.events("nobody") == []


async def test_a_long_ledger_is_streamed_whole(client: Client) -> None:
    events = [json.dumps({"name": "n", "i": i, "pad": "x" * 100}).encode() for i in range(5_000)]
    await client.post("u", *events)
    got = await client.ask("GET", "/ledger")
    assert [json.loads(line)["event"]["i"] for line in got.body.splitlines()] == list(range(5_000))


async def test_the_summary_counts_and_delete_forgets(client: Client) -> None:
    await client.post("u-1", EVENT, EVENT)
    await client.post("u-1", b"{}")
    summary = json.loads((await client.ask("GET", "/ledger?summary=1")).body)
    assert summary == {
        "posts": {"202": 1, "400": 1},
        "accepted_posts": 1,
        "accepted_events": 2,
        "users": 1,
        "requests": 2,
    }
    assert client.simulator.posts == {202: 1, 400: 1}
    assert (await client.ask("DELETE", "/ledger")).status == 200
    assert (await client.ask("GET", "/ledger")).body == ""
    assert json.loads((await client.ask("GET", "/ledger?summary=1")).body)["requests"] == 0
    assert (await client.ask("POST", "/ledger")).status == 405


async def test_every_request_is_noted() -> None:
    clock = Clock()
    async with Simulator(KEY, clock=clock) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        await client.post("a%2Fb", EVENT, EVENT)
        clock.now += 5
        await client.ask("GET", "/elsewhere")
        noted = [(request.at, request.user, request.events, request.status) for request in simulator.ledger.requests]
    assert noted == [(1000, "a/b", 2, 202), (1005, "", 0, 404)]


async def test_a_huge_run_can_do_without_the_list_of_requests() -> None:
    async with Simulator(KEY, keep_requests=False) as simulator, aiohttp.ClientSession() as session:
        await Client(simulator, session).post()
        assert simulator.ledger.requests == []
        assert simulator.ledger.arrived == 1
        assert simulator.ledger.accepted_posts == 1


async def test_faults_are_replaced_over_http(client: Client) -> None:
    got = await client.ask("PUT", "/faults", b'{"users":{"u-1":{"status":500}}}', Authorization=None)
    assert got.status == 200
    assert (await client.post("u-1")).status == 500
    assert (await client.post("u-2")).status == 202
    shown = await client.ask("GET", "/faults")
    assert Faults.model_validate_json(shown.body) == client.simulator.faults
    await client.ask("PUT", "/faults", b'{"users":{"u-1":{"status":500}},"outage":{"after":1e9,"for":1}}')
    assert json.loads((await client.ask("GET", "/faults")).body)["outage"]["for"] == 1
    refused = await client.ask("PUT", "/faults", b'{"user":{}}')
    assert refused.status == 400
    assert json.loads(refused.body) == {"problems": ["user: there is no such member; did you mean users?"]}
    assert (await client.post("u-1")).status == 500
    await client.ask("PUT", "/faults", b"{}")
    assert (await client.post("u-1")).status == 202
