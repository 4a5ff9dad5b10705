"""`forwarder check --send-as`: one marked event, past the queue, and what the API answered."""

import json
from typing import Any

import pytest

from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.errors import InvalidElementError
from forwarder.operations.check import examine
from forwarder.operations.send_as import NAME, Proof, send_as
from forwarder.queue.queue import Queue
from forwarder.simulator import Answer, Faults
from tests.support.servers.http_proxy import answering, http_proxy
from tests.support.service import free_port
from tests.support.world import World


async def sent(world: World, user: str = "u-test", **others: Any) -> Proof:
    settings = world.settings(**others)
    credentials = Credentials.from_settings(settings)
    async with Api.from_settings(settings, credentials) as api:
        return await send_as(user, settings, credentials, api)


async def test_a_202_says_where_the_event_is_and_how_it_got_there_and_redis_is_not_touched(world: World) -> None:
    async with http_proxy() as proxy:
        proof = await sent(world, "ü/1", api_proxy=proxy.url("me:word"))
    (event,) = world.api.ledger.events("ü/1")
    assert json.loads(event) == {"name": NAME, "date": proof.date}
    assert (proof.accepted, proof.status, proof.cause, proof.user) == (True, 202, None, "ü/1")
    assert proof.way == f"to {world.api.url}/v6 through the proxy {proxy.address}, with the key {proof.key_fingerprint}"
    assert proof.detail == f"202 after {proof.seconds:.3f} s: the event is in this user's history now"
    assert "word" not in repr(proof)
    assert await world.redis.keys(f"*{world.queue}*") == [], "a 202 makes the address known to no worker"


REFUSALS = {
    400: "takes neither this user nor this event",
    401: "refuses the key. Check FORWARDER_API_KEY or FORWARDER_API_KEY_FILE",
    403: "the key lacks the permission, or may not be used from this address",
    404: "does not know this user, or the address is wrong",
    413: "Check FORWARDER_API_URL",
    451: "this user was erased",
    429: "s; it asks to wait 7 s: the API takes no more POSTs at this moment",
    503: "the API, or something in front of it, has trouble",
    302: "the API never answers this. Check FORWARDER_API_URL",
    200: "the API never answers this. Check FORWARDER_API_URL",
}


async def test_each_refusal_is_said_with_what_to_do(world: World) -> None:
    for status, said in REFUSALS.items():
        world.api.faults = Faults(status_all=Answer(status=status, body="{}", retry_after=7 if status == 429 else None))
        proof = await sent(world)
        assert (proof.accepted, proof.status, proof.cause) == (False, status, None)
        assert proof.detail.startswith(f"{status} after ")
        assert said in proof.detail
    world.api.faults = Faults(status_all=Answer(status=400, body="<html>"))
    assert "the body is not a JSON object" in (await sent(world)).detail


async def test_without_an_answer_the_cause_is_said_and_whether_the_event_may_have_arrived(world: World) -> None:
    nowhere = await sent(world, api_url=f"http://127.0.0.1:{free_port()}")
    assert (nowhere.accepted, nowhere.status, nowhere.cause) == (False, None, "refused")
    assert nowhere.detail.endswith("Connection refused (ECONNREFUSED). Nothing was sent. Check FORWARDER_API_URL")
    async with http_proxy(answering(407)) as proxy:
        refused = await sent(world, api_proxy=proxy.address)
    assert refused.detail.endswith("or others. Nothing was sent. Check FORWARDER_API_PROXY")
    world.api.faults = Faults(hang_rate=1.0)
    silent = await sent(world, request_timeout=0.2)
    assert "(timeout): no answer in time. The event may have arrived all the same. Check" in silent.detail


@pytest.mark.parametrize("user", ["", ".", "..", "\udcff"])
async def test_what_cannot_be_a_user_is_not_sent(world: World, user: str) -> None:
    with pytest.raises(InvalidElementError):
        await sent(world, user)
    assert not world.api.posts


async def test_the_usual_check_goes_through_the_proxy_and_says_so(world: World) -> None:
    async def found(**others: Any) -> str:
        settings = world.settings(**others)
        async with Api.from_settings(settings, Credentials.from_settings(settings)) as api:
            queue = Queue(world.redis, world.queue, 1)
            (about,) = [each.detail async for each in examine(settings, queue, api) if each.what == "api"]
            return about

    async with http_proxy() as proxy:
        detail = await found(api_proxy=proxy.url("me:word"))
        assert detail == f"{world.api.url} through the proxy {proxy.address} answers, and accepts the key"
        assert len(proxy.heads) == 1
        proxy.says = answering(502)
        detail = await found(api_proxy=proxy.address, api_url="https://api.example")
    assert detail.endswith("does not answer (proxy): the proxy answered 502; check FORWARDER_API_PROXY")
