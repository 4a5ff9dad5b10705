"""Dead letters on the status page: their groups, examples, export, and what may be done with them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.simulator import Simulator
from tests.support.letters import bury, letters_of
from tests.support.service import Running, event, eventually, running, settings

TOKEN = "a-token-of-this-test"
CAME_BACK = "Invalid elements come back unchanged."


class Page:
    """A page of a service, with the token."""

    def __init__(self, service: Running, session: aiohttp.ClientSession) -> None:
        self._url, self._session = service.url, session

    async def get(self, path: str, *, token: str | None = TOKEN) -> tuple[int, str]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.get(self._url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def json(self, path: str) -> Any:
        return json.loads((await self.get(path))[1])

    async def post(self, path: str, **body: object) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self._session.post(self._url + path, json=body, headers=headers) as answer:
            found = await answer.json()
            return answer.status, found.get("done") or found["error"]


@pytest_asyncio.fixture
async def page(redis_url: str, queue_name: str, api: Simulator) -> AsyncIterator[Page]:
    given = settings(redis_url, queue_name, api, admin_token=TOKEN)
    async with running(given) as service, aiohttp.ClientSession() as session:
        yield Page(service, session)


async def with_letters(redis: Redis, queue: str) -> None:
    """Five letters of two names and two users, and two elements that are no events."""
    elements = [event(f"user-{n % 2}", n, name="purchase" if n % 2 else "visit") for n in range(5)]
    for number, element in enumerate(elements):
        await add(redis, queue, element, "rejected", f"user-{number % 2}")
    for element in (b"[]", b'{"userId":"s3cr3t"}'):
        await add(redis, queue, element, "invalid", "")


async def add(redis: Redis, queue: str, element: bytes, reason: str, user: str) -> None:
    status, detail = ("400", "the API answered 400") if reason == "rejected" else ("", "user_id: missing")
    of_it = {"reason": reason, "status": status, "detail": detail, "user_id": user, "claimed_at": "1700000000000000"}
    fields: dict[Any, Any] = {"element": element, **of_it}
    await redis.xadd(Keys(queue).dead, fields)


async def test_letters_are_grouped_and_each_group_has_its_examples_export_replay_and_deletion(
    page: Page, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await with_letters(redis_client, queue_name)

    async def grouped() -> Any:
        shown = (await page.json("/status.json"))["letters"]
        return shown if shown and shown["exact"] and len(shown["groups"]) == 2 else None

    shown = await eventually(grouped)
    assert [(each["reason"], each["status"], each["names"], each["count"]) for each in shown["groups"]] == [
        ("rejected", "400", 2, 5),
        ("invalid", "", 0, 2),
    ]
    assert (shown["by_reason"]["rejected"], shown["by_reason"]["invalid"], shown["kept"]) == (5, 2, 7)
    assert "Should a member be called `user_id`?" in shown["groups"][1]["explanation"]
    assert not {"visit", "s3cr3t", "user-1"} & set(json.dumps(shown).split('"'))

    known = await page.json("/letters.json")
    assert [(each["name"], each["count"]) for each in known["groups"]] == [("visit", 3), (None, 2), ("purchase", 2)]
    found = await page.json("/letters.json?reason=rejected&status=400&name=visit&newest=1")
    assert [json.loads(each["element"])["n"] for each in found["letters"]] == [4, 2, 0]
    assert found["more"] is False

    code, text = await page.get("/export?reason=rejected&name=purchase")
    assert (code, [json.loads(line)["n"] for line in text.splitlines()]) == (200, [1, 3])
    code, text = await page.get("/export")
    assert (code, len(text.splitlines())) == (200, 5), "what is no event is left out"

    with structlog.testing.capture_logs() as logged:
        wanted: dict[str, object] = {"reason": "rejected", "status": "400", "name": "visit"}
        assert await page.post("/delete", **wanted, limit=2) == (200, "2 dead letters deleted.")
    assert [
        (line["letters"], line["reason"]) for line in logged if line["event"] == "deleted from the status page"
    ] == [(2, "rejected")]
    assert "visit" not in str(logged)
    assert await page.post("/replay", **wanted) == (200, "1 dead letter replayed.")
    assert await page.post("/delete", id="1-1") == (200, "No such dead letter: it may have been replayed or deleted.")
    await eventually(lambda: api.ledger.accepted_events == 1)
    assert (
        sorted(each.reason for each in await letters_of(redis_client, queue_name)) == ["invalid"] * 2 + ["rejected"] * 2
    )


async def test_what_comes_back_for_certain_is_not_replayed(page: Page, redis_client: Redis, queue_name: str) -> None:
    await with_letters(redis_client, queue_name)
    one = (await letters_of(redis_client, queue_name))[-1]
    for wanted in ({"reason": "invalid"}, {"id": one.id}):
        code, said = await page.post("/replay", **wanted)
        assert (code, CAME_BACK in said) == (200, True)
    assert len(await letters_of(redis_client, queue_name)) == 7
    assert await page.post("/delete", reason="invalid") == (200, "2 dead letters deleted.")


async def test_only_the_token_opens_letters_their_export_and_their_deletion(page: Page) -> None:
    for path in ("/letters.json", "/letters.json?reason=rejected", "/export"):
        for token in (None, "wrong"):
            assert (await page.get(path, token=token))[0] == 401


@pytest.mark.parametrize("path", ["/export?limit=x", "/export?user=u", "/letters.json?reason=all", "/export?id=1"])
async def test_a_query_that_makes_no_sense_is_refused_with_a_reason(page: Page, path: str) -> None:
    code, text = await page.get(path)
    assert (code, bool(json.loads(text)["error"])) == (400, True)


async def test_an_element_that_is_too_long_to_be_an_event_is_never_read_in_full(
    page: Page, redis_client: Redis, queue_name: str
) -> None:
    await bury(redis_client, queue_name, [event("u", 1)], ["u"])
    await add(redis_client, queue_name, event("u", 2, x="x" * 5_000_000), "rejected", "u")
    code, text = await page.get("/export")
    assert (code, [json.loads(line)["n"] for line in text.splitlines()]) == (200, [1])
    code, said = await page.post("/replay", reason="rejected")
    assert said == "1 dead letter replayed."
    assert [each.size > 5_000_000 for each in await letters_of(redis_client, queue_name)] == [True]
