"""Takes a picture of a status page, and makes it small."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser

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
        page = await self._browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        if unlocked:
            await page.add_init_script(f"sessionStorage.setItem('token', '{TOKEN}')")
        await page.goto(url)
        await page.wait_for_selector("#contact.live")
        if unlocked:
            await page.wait_for_selector("[data-may=act]")
        file = HERE / f"{name}.png"
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
