"""The status page in a browser: what a person does there, and what the browser complains about."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

AXE = files("axe_playwright_python") / "axe.min.js"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

Scheme = Literal["light", "dark"]
Look = tuple[Scheme, ViewportSize]

expect.set_options(timeout=20_000)


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
        ours = ("data:", f"blob:{self.page.url}", self.page.url.rsplit("/", 1)[0])
        return not url.startswith(ours) and self.page.url != "about:blank"


async def opened(context: Browser | BrowserContext, url: str, size: ViewportSize = DESK) -> Watched:
    watched = Watched(await context.new_page())
    await watched.page.set_viewport_size(size)
    await watched.page.goto(url + "/")
    await expect(watched.page.locator("#contact")).to_have_text("live")
    return watched


async def unlocked(page: Page, token: str) -> None:
    await page.get_by_role("button", name="Unlock actions").click()
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Unlock", exact=True).click()


async def assert_accessible(page: Page, looks: Sequence[Look], what: str = "") -> None:
    """Axe-core finds nothing, and the page does not scroll sideways, with any of the looks.

    Axe is evaluated through the browser's debugger, so that the page's policy stays in force.
    """
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme, size in looks:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(size)
        found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
        assert found["passes"], "axe has looked at nothing"
        faults = [
            (each["id"], node["html"], node["failureSummary"]) for each in found["violations"] for node in each["nodes"]
        ]
        assert not faults, (what, scheme, size, faults)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (what, scheme, size)
