"""The status page in every state, in a real browser: the real files, with data from a script."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.page_states import groups, letter, states
from tests.support.servers.browser import chromium
from tests.support.servers.scripted_page import TOKEN, Script, scripted
from tests.support.watched import DESK, PHONE, Look, Watched, assert_accessible, opened, unlocked

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH: apt-get install chromium"),
    # They share a browser, and so its loop.
    pytest.mark.asyncio(loop_scope="session"),
]

MINUS = "\N{MINUS SIGN}"
STATIC = files("forwarder.admin") / "static"
LOOKS: list[Look] = [("light", DESK), ("dark", PHONE), ("light", PHONE), ("dark", DESK)]
#: What must be seen without scrolling.
FIRST_SCREEN = ["#title", "#sentence", "#steps", *[f"[data-key={key}] .value" for key in
                ("backlog", "accepted", "oldest", "letters", "retries")], "[data-key=backlog] .note"]  # fmt: skip
#: These are large on purpose: their first screen ends where it ends.
NOT_MEASURED = {"absurd", "first start"}


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> AsyncIterator[Script]:
    async with scripted() as found:
        found.state = states()["delivering"]
        yield found


async def shown(browser: Browser, script: Script, name: str, **changes: Any) -> Watched:
    script.state = states()[name] | changes
    return await opened(browser, script.url)


async def again(page: Page) -> None:
    """Lets the page ask at once, instead of within two seconds."""
    await page.evaluate("document.dispatchEvent(new Event('changed'))")


async def test_the_scripts_are_small_and_nothing_comes_from_elsewhere() -> None:
    scripts = {file.name: file.read_text(encoding="utf-8") for file in STATIC.iterdir()}
    assert sum(len(text.encode()) for name, text in scripts.items() if name.endswith(".js")) < 20_000
    for name, text in scripts.items():
        ours = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//\w|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", ours), name


async def every_state(browser: Browser, script: Script, names: Sequence[str], looks: Sequence[Look]) -> None:
    """Axe takes a second, so it looks at each state in one look, and over some states in all of them."""
    watched = await opened(browser, script.url)
    page = watched.page
    for number, name in enumerate(names):
        script.state = states()[name]
        await again(page)
        await expect(page.locator("#title")).to_have_text(script.state["findings"][0]["title"])
        for _, size in looks:
            await page.set_viewport_size(size)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, size)
            assert name in NOT_MEASURED or not await hidden(page), (name, size)
        await assert_accessible(page, [looks[number % len(looks)]], name)
    assert not watched.complaints


async def hidden(page: Page) -> list[str]:
    """What of the first screen is below its edge."""
    bottoms = {each: await page.evaluate("(s) => document.querySelector(s).getBoundingClientRect().bottom", each)
               for each in FIRST_SCREEN}  # fmt: skip
    height = await page.evaluate("innerHeight")
    return [each for each, bottom in bottoms.items() if bottom > height]


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
async def test_every_state_is_accessible_and_fits_in_every_look(browser: Browser, script: Script, part: int) -> None:
    await every_state(browser, script, [*states()][part::4], LOOKS)


async def test_one_crosshair_reads_all_charts_with_the_keyboard_the_mouse_and_a_finger(
    browser: Browser, script: Script
) -> None:
    state = states()["delivering"]
    state["history"] = {key: [10.0, 20.0, None, 40.0] for key in state["history"]} | {"age": [15.0, 10.0, 6.0, 5.0]}
    script.state = state
    async with await browser.new_context(has_touch=True) as context:
        page = (await opened(context, script.url)).page
        backlog, accepted = page.locator("[data-key=backlog] .peek"), page.locator("[data-key=accepted] .peek")
        chart = page.get_by_role("slider", name="Backlog, last 15 minutes")
        # The highest is never below the current value.
        await expect(backlog).to_have_text("max 90,254")
        await chart.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(backlog).to_have_text(f"{MINUS}5 s: 40")
        await expect(accepted).to_have_text(f"{MINUS}5 s: 40")
        await expect(chart).to_have_attribute("aria-valuetext", f"{MINUS}5 s: 40")
        await page.keyboard.press("Escape")
        await expect(accepted).to_have_text("max 2,054")
        await chart.hover(position={"x": 1, "y": 9})
        await expect(accepted).to_have_text(f"{MINUS}15 s: 10")
        await page.mouse.move(0, 0)
        await expect(accepted).to_have_text("max 2,054")
        await chart.tap(position={"x": 1, "y": 9})
        await expect(accepted).to_have_text(f"{MINUS}15 s: 10")
        # A value that is unknown, and a time without samples, leave a gap.
        assert (await page.locator("[data-key=backlog] .stroke").get_attribute("d") or "").count("M") == 2


async def test_dead_letters_are_filtered_looked_at_replayed_exported_and_deleted(
    browser: Browser, script: Script
) -> None:
    script.letters = {"groups": groups(1_000, named=True), "letters": [letter(1)]}
    watched = await shown(browser, script, "brake")
    page, listed = watched.page, watched.page.locator("#groups > li")
    await expect(listed).to_have_count(4)
    await expect(listed.first).to_contain_text("1 event name")
    await expect(listed.first.locator("code").last).to_have_text(
        "forwarder dead list --reason rejected --newest --limit 20"
    )
    await unlocked(page, TOKEN)
    await expect(page.locator("#groups-more")).to_have_text("The largest 10 of 1,000 groups. Filter to see the others.")
    await page.get_by_label("Filter").fill("400 purchase-5")
    await expect(listed.first).to_contain_text("purchase-5")
    assert await page.get_by_role("button", name="Replay… rejected, 400").count() == 10
    await page.get_by_label("Filter").fill("invalid purchase-1")
    await expect(listed.first).to_contain_text("purchase-1")
    assert await page.get_by_role("button", name=re.compile("^Replay…")).count() == 0
    await page.get_by_label("Filter").fill("purchase-0")
    await listed.first.get_by_role("button", name="Examples").click()
    await expect(listed.first.locator("pre")).to_contain_text('"user_id":"u-7"')
    assert ("GET", "/letters.json?reason=rejected&status=400&name=purchase-0", None) in script.done
    await page.get_by_role("button", name="Replay… rejected, 400, purchase-0").click()
    await page.get_by_label("At most").fill("7")
    await page.keyboard.press("Enter")
    which = {"reason": "rejected", "status": "400", "name": "purchase-0"}
    await expect(page.locator("#done")).to_have_text("/replay: done.")
    assert ("POST", "/replay", which | {"limit": 7, "canary": 1}) in script.done
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export rejected, 400, purchase-0").click()
    assert (await download.value).suggested_filename == "dead-letters.ndjson"
    await page.get_by_role("button", name="Delete… rejected, 400, purchase-0").click()
    await expect(page.locator("#delete")).to_contain_text("Delete the oldest 1,000 of 3,003 dead letters?")
    await assert_accessible(page, [("dark", PHONE)])
    await page.get_by_role("button", name=re.compile("^Delete the oldest 1,000")).click()
    await expect(page.locator("#done")).to_have_text("/delete: done.")
    assert ("POST", "/delete", which | {"limit": 1_000}) in script.done
    assert not watched.complaints


async def test_a_wrong_token_is_told_and_nothing_is_unlocked(browser: Browser, script: Script) -> None:
    page = (await opened(browser, script.url)).page
    await unlocked(page, "wrong" * 4)
    await expect(page.locator("#unlock .error")).to_have_text("wrong token")
    await page.keyboard.press("Escape")
    for token in ("short", "é" * 16, "😀 token of many", "line\u2028break" * 2):
        await unlocked(page, token)
        await expect(page.locator("#unlock input:invalid")).to_have_attribute("title", re.compile("16 ASCII"))
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Unlock actions")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0


async def test_a_browser_that_keeps_nothing_shows_and_unlocks_it_too(browser: Browser, script: Script) -> None:
    async with await browser.new_context() as context:
        await context.add_init_script("Object.defineProperty(window, 'sessionStorage', {get() { throw Error('no') }})")
        watched = await opened(context, script.url)
        await unlocked(watched.page, TOKEN)
        await expect(watched.page.get_by_role("button", name="Lock actions")).to_be_visible()
        assert not watched.complaints


async def test_a_halt_says_the_right_action_first_and_its_dialog_what_will_happen(
    browser: Browser, script: Script
) -> None:
    page = (await shown(browser, script, "brake")).page
    await page.set_viewport_size(PHONE)
    assert not await hidden(page)
    await assert_accessible(page, [("dark", PHONE)])
    await unlocked(page, TOKEN)
    await page.get_by_role("button", name="Resume…").click()
    await expect(page.locator("#resume-dead_letter_brake")).to_contain_text("Backlog: 90,254 events.")
    await page.get_by_label("Refusals to let through").fill("7")
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.locator("#done")).to_have_text("/resume: done.")
    script.state = states()["credentials"]
    await again(page)
    steps = page.locator("#steps li")
    await expect(steps.first).to_contain_text("/run/secrets/api-key")
    await expect(steps.last.get_by_role("button", name="Copy forwarder resume")).to_be_visible()
    await expect(page.get_by_role("link", name="Runbook: Halted")).to_have_attribute("href", "runbook#credentials")
    await expect(page.locator("#more")).to_contain_text("2 min ago")
    await page.evaluate("{ const now = Date.now; Date.now = () => now() + 3600000 }")
    script.state |= {"halted_since": (datetime.now(UTC) - timedelta(minutes=5)).isoformat()}
    await again(page)
    await expect(page.locator("#more")).to_contain_text("5 min ago")
    await page.get_by_role("button", name="Resume…").click()
    await expect(page.locator("#resume")).to_contain_text("the service halts again, and nothing is lost")
    await page.get_by_role("button", name="Resume", exact=True).click()
    await expect(page.locator("#resume")).to_be_hidden()
    await page.get_by_role("button", name="Pause…").click()
    await page.get_by_label("Minutes;").fill("5")
    await page.get_by_label("Why").fill("the vendor asks for it")
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.locator("#pause")).to_be_hidden()
    script.state = states()["paused"]
    await again(page)
    await page.get_by_role("button", name="Resume…").click()
    await expect(page.locator("#resume-paused")).to_contain_text("End the pause?")
    await expect(page.locator("#resume-paused")).not_to_contain_text("halts again")
    await page.keyboard.press("Escape")
    assert ("POST", "/pause", {"seconds": 300, "why": "the vendor asks for it"}) in script.done
    assert [body for _, path, body in script.done if path == "/resume"] == [
        {"allow_refusals": 7},
        {"allow_refusals": 0},
    ]


async def test_an_outage_counts_down_and_is_ended_by_try_now_and_a_lost_contact_is_shown(
    browser: Browser, script: Script
) -> None:
    page = (await shown(browser, script, "outage")).page
    assert not await hidden(page)
    countdown = page.locator("#countdown")
    await expect(countdown).to_have_text(re.compile("next try in 2[0-2] s"))
    await expect(countdown).to_have_attribute("aria-hidden", "true")
    await expect(page.get_by_role("button", name="Try now")).to_have_count(0)
    await unlocked(page, TOKEN)
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator("#done")).to_have_text("/retry: done.")
    assert ("POST", "/retry", {}) in script.done
    silence = states()["outage"]["silence"] | {"next_try": 0.0}
    script.state = states()["outage"] | {"silence": silence}
    await again(page)
    await expect(countdown).to_have_text("trying now")
    script.state = None
    await again(page)
    await expect(page.locator("#title")).to_have_text("No contact with this worker")
    await expect(page.locator("#contact")).to_have_text("no contact")
    await expect(page.locator("#sentence")).to_contain_text("Events stay in Redis.")
    await expect(page.locator("#detail")).to_have_text("The answer was 500.")
    await page.route("**/*", lambda route: route.abort())
    await again(page)
    await expect(page.locator("#detail")).to_have_text("No answer.")
    await page.get_by_role("button", name="Pause…").click()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.locator("#pause .error")).to_have_text(re.compile("Look whether it was done"))
    await page.keyboard.press("Escape")
    assert "grayscale" in await page.evaluate("getComputedStyle(document.getElementById('tiles')).filter")


async def test_many_workers_and_lists_are_sorted_and_a_first_start_says_what_to_push(
    browser: Browser, script: Script
) -> None:
    page = (await shown(browser, script, "many")).page
    await expect(page.locator("#workers tr")).to_have_count(40)
    await expect(page.locator("#workers .badge")).to_have_text("this one")
    assert set(await page.locator("#workers tr:nth-child(-n+6) .warn").all_text_contents()) == {
        "0.1.0", "halted: credentials"
    }  # fmt: skip
    await expect(page.locator("#lists tr").first).to_contain_text("events:17")
    await expect(page.locator("#lists tr").nth(1)).to_contain_text("events:62")
    script.state = states()["first start"]
    await again(page)
    await expect(page.locator("#steps code")).to_have_text(
        """echo '{"user_id":"u-1","name":"visit"}' | FORWARDER_QUEUE=events forwarder push"""
    )
    await expect(page.locator("#tiles")).to_be_hidden()
    await expect(page.locator("#lock")).to_be_hidden()
    await expect(page.locator("footer")).to_contain_text("read-only: FORWARDER_ADMIN_TOKEN is not set")
