"""The status page as a person sees it, in a real browser without a screen, served by a real service."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.servers.browser import chromium
from tests.support.service import KEY, Running, event, eventually, port_of, running, settings, settled
from tests.support.watched import opened, unlocked

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH: apt-get install chromium"),
    # They share a browser, and so its loop.
    pytest.mark.asyncio(loop_scope="session"),
]

TOKEN = "a-token-of-this-test"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>"\'`&lt;'


@pytest_asyncio.fixture(loop_scope="session")
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def api() -> AsyncIterator[Simulator]:
    async with Simulator(KEY) as simulator:
        yield simulator


@pytest_asyncio.fixture(loop_scope="session")
async def service(redis_url: str, queue_name: str, api: Simulator) -> AsyncIterator[Running]:
    api.faults = Faults(refuse=(Refusal(name="refused"),))
    async with running(settings(redis_url, queue_name, api, admin_token=TOKEN)) as found:
        yield found


async def refused(redis: Redis, queue: str, *users: str) -> None:
    """Makes dead letters of these users."""
    await redis.rpush(queue, *[event(user, n, name="refused") for n, user in enumerate(users)])
    await settled(redis, queue)


async def test_it_shows_the_state_live_and_a_halt_is_ended_from_the_page(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    watched = await opened(browser, service.url)
    page = watched.page
    await expect(page.get_by_role("status").filter(has_text="Idle: nothing has been pushed yet")).to_be_visible()
    await expect(page).to_have_title(f"Idle: nothing has been pushed yet · {queue_name}")
    good = await page.locator("#icon").get_attribute("href")
    api.api_key = "another"
    await redis_client.rpush(queue_name, *[event("u", n) for n in range(1_234)])
    await expect(page).to_have_title(f"Halted: the API refuses the key · {queue_name}")
    await expect(page.locator("#steps li").first).to_contain_text("Put the right key into")
    assert await page.locator("#icon").get_attribute("href") != good
    await expect(page.locator("[data-key=backlog] .value")).to_have_text("1,234")
    await expect(page.locator("[data-key=backlog] .small")).to_contain_text("claimed")
    await expect(page.locator("#workers tr")).to_contain_text(["this one"])
    await unlocked(page, TOKEN)
    await page.get_by_role("button", name="Resume…").click()
    await expect(page.locator("#resume")).to_contain_text("Backlog: 1,234 events.")
    api.api_key = KEY
    await page.get_by_role("button", name="Resume", exact=True).click()
    await settled(redis_client, queue_name)
    await expect(page.locator("#title")).to_have_text(re.compile("Idle|Delivering"))
    assert not watched.complaints


async def test_it_says_plainly_that_it_lost_contact_and_when_it_is_back(
    browser: Browser, redis_url: str, queue_name: str, api: Simulator
) -> None:
    given = settings(redis_url, queue_name, api)
    async with running(given) as service:
        page = (await opened(browser, service.url)).page
        port = port_of(service.url)
    await expect(page.locator("#title")).to_have_text("No contact with this worker")
    assert await page.locator("#glyph img:visible").evaluate_all("all => all.map((e) => e.naturalWidth > 0)") == [True]
    await expect(page.locator("#detail")).to_have_text("No answer.")
    async with running(settings(redis_url, queue_name, api, admin_port=port)):
        await expect(page.locator("#title")).to_have_text("Idle: nothing has been pushed yet")
        await expect(page.locator("#contact")).to_have_text("live")


async def test_what_producers_and_others_wrote_is_text_and_nothing_else(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str
) -> None:
    await refused(redis_client, queue_name, HOSTILE)
    keys = Keys(queue_name)
    for reason in ("rejected", HOSTILE, "__proto__"):
        fields: dict[Any, Any] = {"status": HOSTILE, "detail": HOSTILE, "user_id": HOSTILE, "element": HOSTILE}
        await redis_client.xadd(keys.dead, {"reason": reason, **fields})
    await Queue(redis_client, keys.queue, 1).write_halt(HaltRecord(HOSTILE, f"{HOSTILE}\n" * 50, HOSTILE, ""))
    watched = await opened(browser, service.url)
    page = watched.page
    await expect(page.locator("#title")).to_have_text("Halted")
    await unlocked(page, TOKEN)
    await page.get_by_role("button", name="Examples of rejected, 400").click()
    await expect(page.locator("#groups pre").first).to_contain_text(HOSTILE.replace('"', '\\"'))
    await expect(page.locator("#detail")).to_contain_text(HOSTILE)
    assert await page.locator("#dead img, #dead script, #state div img").count() == 0
    assert (await page.title()).startswith("Halted · ")
    assert not watched.complaints


async def test_a_user_of_the_keyboard_unlocks_sees_replays_and_locks(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, "the-user", "the-user")
    watched = await opened(browser, service.url)
    page, group = watched.page, watched.page.locator("#groups > li")
    await expect(group).to_have_count(1)
    await expect(page.locator("body")).not_to_contain_text("the-user")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Unlock actions")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type(TOKEN)
    await page.keyboard.press("Enter")
    examples = page.get_by_role("button", name="Examples of rejected, 400, refused")
    await examples.focus()
    await page.keyboard.press("Space")
    await expect(group.locator("code", has_text="the-user")).to_have_count(2)
    await expect(examples).to_be_focused()
    api.faults = Faults()
    await group.get_by_role("button", name="Replay…").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#replay")).to_be_visible()
    await page.keyboard.press("Escape")
    assert api.ledger.accepted_events == 0
    await page.keyboard.press("Enter")
    await page.get_by_label("At most").fill("2")
    await page.keyboard.press("Enter")
    await expect(page.locator("#done")).to_have_text("2 dead letters replayed.")
    await expect(group).to_have_count(0)
    await eventually(lambda: api.ledger.accepted_events == 2)
    await page.reload()
    await page.get_by_role("button", name="Lock actions").click()
    await page.reload()
    await expect(page.get_by_role("button", name="Unlock actions")).to_be_visible()
    assert not watched.complaints
