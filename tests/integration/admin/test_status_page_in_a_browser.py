"""The status page as a person sees it, in a real browser without a screen."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect
from redis.asyncio import Redis

from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.servers.browser import browsing, chromium
from tests.support.service import KEY, Running, event, eventually, port_of, running, settings, settled

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH: apt-get install chromium"),
    # They share a browser, and so its loop.
    pytest.mark.asyncio(loop_scope="module"),
]

TOKEN = "a-token-of-this-test"
AXE = files("axe_playwright_python") / "axe.min.js"
STATIC = files("forwarder.admin") / "static"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>"\'`&lt;'
DESK: ViewportSize = {"width": 1216, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 700}

Scheme = Literal["light", "dark"]

expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome() -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The one browser of these tests; of a test nothing stays in it."""
    yield chrome
    for context in chrome.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[Simulator]:
    async with Simulator(KEY) as simulator:
        yield simulator


@pytest_asyncio.fixture(loop_scope="module")
async def service(redis_url: str, queue_name: str, api: Simulator) -> AsyncIterator[Running]:
    api.faults = Faults(refuse=(Refusal(name="refused"),))
    async with running(settings(redis_url, queue_name, api, admin_token=TOKEN)) as found:
        yield found


class Watched:
    """A page of the service, and whatever the browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request", lambda request: self.complaints.append(request.url) if self._elsewhere(request.url) else None
        )

    def _elsewhere(self, url: str) -> bool:
        return not url.startswith(("data:", self.page.url.rsplit("/", 1)[0])) and self.page.url != "about:blank"


async def opened(context: Browser | BrowserContext, service: Running) -> Watched:
    watched = Watched(await context.new_page())
    await watched.page.goto(service.url + "/")
    await expect(watched.page.locator("#contact")).to_have_text("live")
    return watched


async def unlocked(page: Page, token: str = TOKEN) -> None:
    await page.get_by_role("button", name="Unlock actions").click()
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Unlock", exact=True).click()


async def refused(redis: Redis, queue: str, *users: str) -> None:
    """Makes dead letters of these users."""
    await redis.rpush(queue, *[event(user, n, name="refused") for n, user in enumerate(users)])
    await settled(redis, queue)


async def assert_accessible(page: Page, looks: Sequence[tuple[Scheme, ViewportSize]], most: int) -> None:
    """Axe-core finds nothing, and the page does not scroll sideways, with any of the first `most` looks.

    Axe is evaluated through the browser's debugger, so that the page's policy stays in force.
    """
    for scheme, size in looks[:most]:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(size)
        found: dict[str, Any] = await page.evaluate("axe.run()")
        assert found["passes"], "axe has looked at nothing"
        faults = [
            (each["id"], node["html"], node["failureSummary"]) for each in found["violations"] for node in each["nodes"]
        ]
        assert not faults, (scheme, size)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, size)


async def test_the_script_is_small_and_nothing_comes_from_elsewhere() -> None:
    assert len((STATIC / "page.js").read_bytes()) < 15_000
    for name in ("page.html", "page.css", "page.js"):
        text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//\w|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", text), name


@pytest.mark.parametrize("most", [1, pytest.param(4, marks=pytest.mark.long)], ids=["one look", "all looks"])
async def test_axe_finds_no_violation(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator, most: int
) -> None:
    await refused(redis_client, queue_name, "u", HOSTILE)
    await redis_client.rpush(queue_name, b"nonsense")
    page = (await opened(browser, service)).page
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    await expect(page.locator("#letters > li")).to_have_count(3)
    await assert_accessible(page, [("light", PHONE), ("dark", DESK), ("light", DESK), ("dark", PHONE)], most)
    await page.locator("#past summary").click()
    await unlocked(page)
    await page.locator("#reveal").click()
    await expect(page.locator("#letters pre")).to_have_count(3)
    await assert_accessible(page, [("dark", DESK), ("light", PHONE)], most)
    api.api_key = "another"
    await redis_client.rpush(queue_name, event("u", 1))
    await expect(page.locator("#title")).to_have_text("Halted: the API refuses the key")
    await page.get_by_role("button", name="Resume…").click()
    await assert_accessible(page, [("light", DESK), ("dark", PHONE)], most)


async def test_it_shows_the_state_live_and_says_when_it_changes(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    watched = await opened(browser, service)
    page = watched.page
    await expect(page.get_by_role("status").filter(has_text="Draining")).to_be_visible()
    await expect(page).to_have_title(f"Draining · {queue_name}")
    good = await page.locator("#icon").get_attribute("href")
    api.api_key = "another"
    await redis_client.rpush(queue_name, *[event("u", n) for n in range(1_234)])
    await expect(page).to_have_title(f"Halted: the API refuses the key · {queue_name}")
    await expect(page.locator("#remedy")).to_contain_text("put the right key into the key file")
    await expect(page.locator("#way code")).to_have_text("forwarder resume")
    assert await page.locator("#icon").get_attribute("href") != good
    await expect(page.locator("[data-key=waiting] .note")).to_contain_text("claimed")
    assert not watched.complaints


async def test_it_says_plainly_that_it_lost_contact_and_when_it_is_back(
    browser: Browser, redis_url: str, queue_name: str, api: Simulator
) -> None:
    given = settings(redis_url, queue_name, api)
    async with running(given) as service:
        page = (await opened(browser, service)).page
        port = port_of(service.url)
    await expect(page.locator("#title")).to_have_text("No contact with this worker")
    await expect(page.locator("#contact")).to_have_text("no contact")
    await expect(page.locator("#sentence")).to_contain_text("It has not answered since")
    async with running(settings(redis_url, queue_name, api, admin_port=port)):
        await expect(page.locator("#title")).to_have_text("Draining")
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
    watched = await opened(browser, service)
    page = watched.page
    await expect(page.locator("#title")).to_have_text("Halted")
    await unlocked(page)
    await page.locator("#reveal").click()
    await expect(page.locator("#letters pre").first).to_have_text(HOSTILE)
    await expect(page.locator("#detail")).to_contain_text(HOSTILE)
    assert await page.locator("#letters img, #letters script, #state img").count() == 0
    assert (await page.title()).startswith("Halted · ")
    assert not watched.complaints


async def test_a_user_of_the_keyboard_unlocks_sees_replays_and_locks(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await refused(redis_client, queue_name, "the-user", "the-user")
    watched = await opened(browser, service)
    page = watched.page
    await expect(page.locator("#letters > li")).to_have_count(2)
    await expect(page.locator("body")).not_to_contain_text("the-user")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Unlock actions")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#reveal")).to_be_visible()
    await page.locator("#reveal").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("#letters code", has_text="the-user")).to_have_count(2)
    api.faults = Faults()
    await page.get_by_role("button", name=re.compile(r"^Replay \d")).first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#replay-one")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#replay-one")).to_be_hidden()
    assert api.ledger.accepted_events == 0
    await page.get_by_role("button", name="Replay rejected…").click()
    await page.get_by_label("At most").fill("2")
    await page.keyboard.press("Enter")
    await expect(page.locator("#done")).to_have_text("2 dead letters replayed.")
    await expect(page.locator("#letters > li")).to_have_count(0)
    await eventually(lambda: api.ledger.accepted_events == 2)
    await page.reload()
    await page.get_by_role("button", name="Lock actions").click()
    await page.reload()
    await expect(page.get_by_role("button", name="Unlock actions")).to_be_visible()
    assert not watched.complaints


async def test_a_halt_is_ended_from_the_page(
    browser: Browser, service: Running, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    api.api_key = "another"
    await redis_client.rpush(queue_name, event("u", 1))
    page = (await opened(browser, service)).page
    await unlocked(page)
    await page.get_by_role("button", name="Resume…").click()
    api.api_key = KEY
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.locator("#title")).to_have_text("Draining")
    await settled(redis_client, queue_name)


@pytest.mark.parametrize("token", ["wrong", "é", "😀 token", "line\u2028break"])
async def test_a_wrong_token_is_told_and_nothing_is_unlocked(browser: Browser, service: Running, token: str) -> None:
    page = (await opened(browser, service)).page
    await unlocked(page, token)
    await expect(page.locator("#unlock .error")).not_to_be_empty()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Unlock actions")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_without_a_token_the_page_shows_commands_instead(
    browser: Browser, redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    api.faults = Faults(refuse=(Refusal(name="refused"),))
    async with running(settings(redis_url, queue_name, api)) as service:
        await refused(redis_client, queue_name, "the-user")
        page = (await opened(browser, service)).page
        await expect(page.locator("#letters code", has_text="forwarder dead show")).to_have_count(1)
        await expect(page.locator("#reasons code", has_text="forwarder dead replay --reason rejected")).to_be_visible()
        await expect(page.locator("#lock, #reveal")).to_have_count(2)
        for button in ("#lock", "#reveal"):
            await expect(page.locator(button)).to_be_hidden()
        await expect(page.locator("#version")).to_contain_text("read-only")


async def test_a_browser_that_keeps_nothing_shows_and_unlocks_it_too(browser: Browser, service: Running) -> None:
    async with await browser.new_context() as context:
        await context.add_init_script("Object.defineProperty(window, 'sessionStorage', {get() { throw Error('no') }})")
        watched = await opened(context, service)
        await unlocked(watched.page)
        await expect(watched.page.get_by_role("button", name="Lock actions")).to_be_visible()
        assert not watched.complaints


async def test_huge_numbers_and_hours_without_redis_still_fit(browser: Browser, service: Running) -> None:
    async with await browser.new_context(viewport=PHONE) as context:
        watched = Watched(await context.new_page())
        found = json.loads((await service.get("/status.json"))[1])
        found["now"] |= {"waiting": 123_456_789_012_345, "accepted": 1e9, "posts": 1e9, "oldest": 1e8, "retries": None}
        found["history"] = {name: [None, 1e15, None, 0, 5, None] for name in found["history"]}
        found["history"]["age"] = [900, 700, 600, 500, 400, -3]
        found["letters"] = None
        found["shards"] = []
        await context.route("**/status.json", lambda route: route.fulfill(json=found))
        await watched.page.goto(service.url + "/")
        await expect(watched.page.locator("[data-key=waiting] .value")).to_contain_text("123.46T")
        await expect(watched.page.locator("[data-key=oldest] .value")).to_contain_text("1,157 d")
        assert await watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not watched.complaints
