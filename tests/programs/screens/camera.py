"""Takes a picture of a status page, and makes it small."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser, Page

from tests.support.servers.browser import browsing

HERE = Path(__file__).parent
TOKEN = "the-token-of-the-pictures"
#: Width and height in CSS pixels.
DESK, PHONE, NIGHT = (1280, 900), (390, 844), (1280, 640)
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>/usr/share/fonts</dir>
<alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias binding="same"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias></fontconfig>"""


class Camera:
    """Takes pictures that look the same on every machine with Debian's fonts-inter."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def picture(
        self,
        url: str,
        name: str,
        size: tuple[int, int] = DESK,
        scheme: Literal["light", "dark"] = "light",
        *,
        unlocked: bool = False,
        whole: bool = True,
    ) -> None:
        """Takes one, of the whole page or of what fits the size."""
        page = await self.open(url, size, scheme, unlocked=unlocked)
        await save(page, HERE / f"{name}.png", whole=whole)

    async def open(
        self,
        url: str,
        size: tuple[int, int] = DESK,
        scheme: Literal["light", "dark"] = "light",
        *,
        unlocked: bool = False,
    ) -> Page:
        """Opens one, and waits until it shows what the service says."""
        page = await self._browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        if unlocked:
            await page.add_init_script(f"sessionStorage.setItem('token', '{TOKEN}')")
        await page.goto(url)
        await page.wait_for_selector("#contact.live")
        if unlocked:
            await page.wait_for_selector("[data-may=act]")
        return page


async def save(page: Page, file: Path, *, whole: bool) -> None:
    """Takes the picture of an open page, makes it small, and closes the page."""
    await page.screenshot(path=file, full_page=whole)
    await page.close()
    # A picture of a page has few colors: a palette makes it a third as large.
    if (smaller := shutil.which("pngquant")) is not None:
        subprocess.run([smaller, "--force", "--ext", ".png", str(file)], check=True)
    sys.stdout.write(f"{file.relative_to(Path.cwd())}: {file.stat().st_size / 1000:.0f} kB\n")


@asynccontextmanager
async def camera() -> AsyncIterator[Camera]:
    """One that is ready."""
    with TemporaryDirectory() as scratch:
        fonts = Path(scratch) / "fonts.conf"
        fonts.write_text(_FONTS)
        async with browsing({"FONTCONFIG_FILE": str(fonts)}) as browser:
            yield Camera(browser)
