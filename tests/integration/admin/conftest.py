"""One browser for all tests of the status page."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.support.servers.browser import browsing


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The one browser of these tests; of a test nothing stays in it."""
    yield chrome
    for context in chrome.contexts:
        await context.close()
