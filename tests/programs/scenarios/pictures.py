"""Takes the picture of a scenario, of a page that was open before it began, as an operator's is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page

from tests.programs.screens.camera import DESK, camera, save
from tests.support.scenarios.playing import Camera

FOLDER = Path(__file__).parents[1] / "screens" / "scenarios"


class Opened:
    """A page on which a scenario will be seen."""

    def __init__(self, page: Page, url: str, file: Path) -> None:
        self._page = page
        self._url = url
        self._file = file

    async def take(self, url: str | None, title: str) -> tuple[str, str]:
        """Takes the picture of the first screen, once it says what it must."""
        if url is None:
            await self._page.wait_for_selector("#contact:not(.live)")
        elif url != self._url:
            await self._page.goto(url)
        if title:
            await self._page.get_by_role("heading", name=title).first.wait_for()
        step = (await self._page.locator("#steps").inner_text()).partition("\n")[0]
        said = await self._page.locator("#title").inner_text(), step.replace("Copy", "")
        await save(self._page, self._file, whole=False)
        return said


@asynccontextmanager
async def pictures() -> AsyncIterator[Camera]:
    """Takes each picture at 1280 × 900."""
    FOLDER.mkdir(exist_ok=True)
    async with camera() as taking:

        async def before(name: str, url: str) -> Opened:
            return Opened(await taking.open(url, DESK), url, FOLDER / f"{name}.png")

        yield before
