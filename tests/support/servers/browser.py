"""The Chromium of this machine, without a screen, for tests and pictures of the status page."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

#: Its names in Debian and elsewhere.
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


def chromium() -> str | None:
    """The path of the browser, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def browsing(environment: dict[str, str] | None = None) -> AsyncIterator[Browser]:
    """A browser; :func:`chromium` must have found one."""
    # Chromium refuses to sandbox itself for root, and a container has a small /dev/shm.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=arguments, env={**os.environ, **(environment or {})}
        )
        try:
            yield browser
        finally:
            await browser.close()
