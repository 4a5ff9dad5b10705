"""What somebody who is the API, or sits at its address, can and cannot do; beside what test_absurd_answers.py shows."""

import asyncio
import base64
import gzip
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from redis.asyncio import Redis

from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.servers.raw_api import RawApi, raw
from tests.support.service import (
    KEY,
    WorkerProcess,
    body,
    census,
    command,
    environment,
    event,
    eventually,
    fetch,
    same_json,
    settings,
    settled,
)
from tests.support.world import World

Start = Callable[..., WorkerProcess]

MARK = "m4rk-of-the-api"


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], web.Response], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """An API of our own making; where it listens, without the scheme."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return answer(request)

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def pages(process: WorkerProcess) -> str:
    address = await process.admin()
    return "\n".join([(await fetch(address + path))[1] for path in ("/status.json", "/metrics", "/readyz")])


@pytest.mark.long
async def test_nothing_that_the_api_says_shows_but_the_status(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """Neither a body nor a header nor a reason; of the status a number, and of those only the usual ones as a label."""
    statuses = iter([400, 401, 404, 413, 500, 599, *range(502, 580), 202])

    def answer(_: web.Request) -> web.Response:
        told = {f"X-{MARK}": MARK, "Server": MARK, "Set-Cookie": f"{MARK}={MARK}", "WWW-Authenticate": MARK}
        text = f"<script>{MARK}</script>\x1b[2J\n" * 100
        return web.Response(status=next(statuses, 401), reason=MARK, text=text, headers=told)

    await redis_client.rpush(queue_name, *[event(f"u{n}", n) for n in range(60)])
    async with serving(answer) as address:
        given = settings(redis_url, queue_name, api, api_url=f"http://{address}", log_level="debug", concurrency=1)
        first = worker(given)
        await eventually(lambda: any(line["event"] == "halted" for line in first.lines()))
        _, out, err = await command("resume", environment=environment(given))
        await eventually(lambda: posts(first, at_least=80), within=40)
        shown = [await pages(first), out, err, first.log.read_text()]
        for arguments in ("status", "check", "dead list", "dead list --json"):
            shown += (await command(*arguments.split(), environment=environment(given)))[1:]
        labels = set(re.findall(r'posts_total\{status="(\w+)"\}', shown[0]))
        await first.stopped()
    keys = [key async for key in redis_client.scan_iter(f"*{queue_name}*")]
    shown += [str(await redis_client.dump(key)) for key in keys]
    assert not [text for text in shown if MARK in text.casefold()]
    assert "other" in labels
    assert len(labels) < 20


async def posts(process: WorkerProcess, *, at_least: int) -> bool:
    counts = re.findall(r"^forwarder_posts_total\{.*\} (\S+)$", await pages(process), re.MULTILINE)
    return sum(map(float, counts)) >= at_least


async def test_an_answer_that_unpacks_to_gigabytes_is_not_unpacked(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    once = gzip.compress(b"\0" * 200_000_000)
    twice = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    statuses = iter([202, 503, 400])

    def answer(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses, 202), body=once, headers=twice)

    async with serving(answer) as address:
        process = worker(settings(redis_url, queue_name, api, api_url=f"http://{address}"), fresh=True)
        await process.admin()
        await redis_client.rpush(queue_name, event("a", 1))
        await settled(redis_client, queue_name)
        before = process.peak
        await redis_client.rpush(queue_name, *[event(f"u{n}", n) for n in range(50)])
        now = await settled(redis_client, queue_name)
        assert (now.accepted, now.dead_lettered) == (50, 1)
        assert process.peak - before < 16 * 1024 * 1024


@fault(
    "API",
    "the HTTP client cancels a POST that nobody has cancelled",
    "it is retried in order, and counted as one that may have arrived",
    keeps=(1, 2),
)
async def test_a_post_that_the_library_cancels_is_retried_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = aiohttp.ClientSession._request
    sent = 0

    async def cancelling(*given: Any, **others: Any) -> aiohttp.ClientResponse:
        nonlocal sent
        response = await request(*given, **others)
        sent += 1
        if sent == 1:
            raise asyncio.CancelledError
        return response

    monkeypatch.setattr(aiohttp.ClientSession, "_request", cancelling)
    elements = [event("u", n) for n in range(5)]
    await world.push(*elements)
    async with world.service(max_events_per_post=1) as service:
        now = await world.settled()
        await service.shows("forwarder_posts_ambiguous_total 1.0")
    assert (now.accepted, now.claimed) == (5, 0)
    assert same_json(world.api.ledger.events("u"), map(body, [elements[0], *elements]))


def context(issuer: trustme.CA, name: str) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(name).configure_cert(found)
    return found


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The only authority that a worker trusts."""
    found = trustme.CA()
    found.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return found


_SAID = {
    "authority": "the certificate is not valid: unable to get local issuer certificate",
    "name": "the certificate is not valid: Hostname mismatch, certificate is not valid for 'localhost'",
}


@pytest.mark.parametrize("wrong", [*_SAID, None])
@fault(
    "API",
    "its certificate is for another name, or from an unknown authority",
    "nothing is sent; the log and `forwarder check` say what is wrong with it",
    keeps=(1, 5),
)
async def test_the_key_goes_only_to_who_proves_to_be_the_api(
    redis_url: str,
    redis_client: Redis,
    queue_name: str,
    api: Simulator,
    worker: Start,
    trusted: trustme.CA,
    wrong: str | None,
) -> None:
    issuer, name = trustme.CA() if wrong == "authority" else trusted, "elsewhere" if wrong == "name" else "localhost"
    seen: list[str | None] = []

    def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=202)

    await redis_client.rpush(queue_name, event("u", 1))
    async with serving(answer, context(issuer, name)) as address:
        # aiohttp reads the trusted authorities when it is imported.
        process = worker(settings(redis_url, queue_name, api, api_url=f"https://{address}"), fresh=True)
        if wrong is None:
            await settled(redis_client, queue_name)
            assert seen == ["Basic " + base64.b64encode(f":{KEY}".encode()).decode()]
            return
        line = await eventually(lambda: next((each for each in process.lines() if each.get("status") == "tls"), None))
        assert line["reason"] == _SAID[wrong]
        await eventually(lambda: posts(process, at_least=3))
        assert [each["event"] for each in process.lines()].count("POST not accepted") == 1, "once in ten seconds"
        given = environment(settings(redis_url, queue_name, api, api_url=f"https://{address}"))
        _, out, _ = await command("check", environment=given)
        # A forked process trusts nobody here, so it does not come to the name.
        assert f"does not answer (tls): {_SAID['authority']}" in out
        now = await census(redis_client, queue_name)
        assert (seen, now.claimed, now.letters) == ([], 1, 0)
        await process.stopped()  # before the server, which would else leave a connection amid its handshake


async def test_answers_that_drip_hold_up_their_own_user_alone(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    """A byte a moment, for ever: the whole answer has its time, not each byte."""
    dripping = 0

    async def drip(writer: asyncio.StreamWriter) -> None:
        nonlocal dripping
        dripping += 1
        for byte in b"HTTP/1.1 202 Accepted\r\nX: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw(drip, times=3) as slow:
        await redis_client.rpush(queue_name, *[event(f"u{n}", n) for n in range(30)])
        worker(settings(redis_url, queue_name, api, api_url=slow.url, request_timeout=1.0))
        now = await settled(redis_client, queue_name, within=15)
    assert (now.accepted, now.dead_lettered, dripping) == (30, 0, 3)


@pytest_asyncio.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[RawApi]:
    """A proxy, and a password for the API, that the environment of a worker names."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with raw(times=0) as found:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, found.url)
        yield found


async def test_no_proxy_and_no_netrc_of_the_machine_comes_between(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, proxy: RawApi
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    worker(settings(redis_url, queue_name, api))
    await settled(redis_client, queue_name)
    assert (api.ledger.accepted_events, proxy.requests) == (1, [])
