"""The proxy between a worker and the API: it refuses, is killed, hangs, or does not know the worker."""

import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme

from forwarder.outcome import HaltReason
from forwarder.simulator import Faults
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.servers.http_proxy import Tinyproxy, answering, behind_tls, http_proxy, tinyproxy
from tests.support.service import Running, event, eventually
from tests.support.world import World

LOGIN = "me:pass-1"
FAILED = 'forwarder_retries_total{cause="proxy"}'
PUSHED = [event(f"u{n % 40}", n) for n in range(400)]


@dataclass(frozen=True)
class Site:
    """A world with an API that speaks TLS, and a real proxy that wants a password."""

    world: World
    proxy: Tinyproxy
    #: Settings of a worker that reaches the API through the proxy.
    given: dict[str, Any]


@pytest_asyncio.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    world.api.faults = Faults(latency=0.02)
    async with (
        behind_tls(context, world.api.port) as url,
        tinyproxy(tmp_path, "BasicAuth me pass-1") as proxy,
    ):
        given = {"api_url": url, "api_proxy": proxy.url(LOGIN), "api_ca_file": str(tmp_path / "ca.pem")}
        yield Site(world, proxy, {**given, "max_events_per_post": 4, "concurrency": 16})


async def figure(service: Running, name: str) -> float:
    """A sample of the metrics; 0 if it is not there yet."""
    lines = (await service.get("/metrics"))[1].splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


async def more(service: Running, name: str, than: float) -> None:
    """Waits until a metric is above a value."""

    async def grown() -> bool:
        return await figure(service, name) > than

    await eventually(grown, what=name)


async def halts(service: Running) -> float:
    """How many reasons there are for a halt."""
    return sum([await figure(service, f'forwarder_halted{{reason="{each}"}}') for each in HaltReason])


async def judged(site: Site, service: Running, *disturbances: float) -> None:
    """Every event has arrived, in order, and is doubled only by a POST that may have arrived."""
    await site.world.settled()
    history = await observed(PUSHED, site.world.api, site.world.redis, site.world.queue, disturbances=disturbances)
    verdict = check(history)
    assert verdict.faults == {}
    assert len(verdict.explained) <= 4 * await figure(service, "forwarder_posts_ambiguous_total")


@fault(
    "API",
    "the proxy in front of it is killed (SIGKILL) while POSTs are in flight, and started again",
    "POSTs are retried with the cause `proxy`; what may have arrived is counted",
    keeps=(1, 2, 3, 6),
)
async def test_a_proxy_that_is_killed_loses_nothing(site: Site) -> None:
    await site.world.push(*PUSHED)
    async with site.world.service(**site.given) as service:
        await eventually(lambda: site.world.api.ledger.accepted_events >= 100)
        killed = time.monotonic()
        site.proxy.stop()
        await more(service, FAILED, 2)
        await site.proxy.start()
        await judged(site, service, killed)
        assert await figure(service, "forwarder_posts_ambiguous_total") > 0


@pytest.mark.long
@fault(
    "API",
    "the proxy in front of it is frozen (SIGSTOP), then wakes",
    "POSTs time out and are retried; what may have arrived is counted",
    keeps=(1, 2, 3, 6),
)
async def test_a_proxy_that_hangs_loses_nothing(site: Site) -> None:
    await site.world.push(*PUSHED)
    async with site.world.service(**site.given, request_timeout=0.5) as service:
        await eventually(lambda: site.world.api.ledger.accepted_events >= 100)
        frozen = time.monotonic()
        with site.proxy.frozen():
            await more(service, 'forwarder_retries_total{cause="timeout"}', 0)
            await more(service, FAILED, 2)
        await judged(site, service, frozen, time.monotonic())


@pytest.mark.long
@fault(
    "API",
    "the password of the proxy in front of it is wrong",
    "nothing is sent, nobody halts; with the right password everything is sent",
    keeps=(1, 2, 5, 6),
)
async def test_a_wrong_password_of_the_proxy_sends_nothing_and_halts_nobody(site: Site) -> None:
    await site.world.push(*PUSHED)
    async with site.world.service(**{**site.given, "api_proxy": site.proxy.url("me:wrong")}) as service:
        await more(service, FAILED, 12)
        assert await halts(service) == 0
        assert await figure(service, "forwarder_posts_ambiguous_total") == 0
    assert site.world.api.ledger.accepted_events == 0
    async with site.world.service(**site.given) as service:
        await judged(site, service)


WAYS = {"407": answering(407), "403": answering(403), "502": answering(502), "closed": b"HTTP/", "silent": b""}


@pytest.mark.long
@fault(
    "API",
    "the proxy in front of it answers 403, 407 or 502 to CONNECT, closes the connection, or is silent",
    "POSTs are retried, with the cause `proxy`; nobody halts",
    keeps=(1, 3, 5, 6),
)
async def test_whatever_a_proxy_answers_to_connect_halts_nobody(world: World) -> None:
    await world.push(*(event(f"u{n}", n) for n in range(6)))
    async with http_proxy(b"") as proxy:
        # Nothing gets as far as this name.
        given = {"api_url": "https://api.example", "api_proxy": proxy.address, "request_timeout": 0.3}
        async with world.service(**given) as service:
            for says in WAYS.values():
                proxy.says = says
                await more(service, FAILED, 8 + await figure(service, FAILED))
            assert await halts(service) == 0
            assert await figure(service, "forwarder_posts_ambiguous_total") == 0
    now = await world.census()
    assert (now.accepted, now.dead_lettered, now.waiting + now.claimed) == (0, 0, 6)
