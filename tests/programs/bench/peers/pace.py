"""What the hand-written workers share: their settings, a POST, and a pace of so many a second."""

import asyncio
import base64
import os
import time

import aiohttp

REDIS = os.environ.get("BENCH_REDIS", "")
SINK = os.environ.get("BENCH_SINK", "")
RATE = int(os.environ.get("BENCH_RATE", "0"))
AT_ONCE = int(os.environ.get("BENCH_AT_ONCE", "1"))
ELEMENTS = os.environ.get("BENCH_ELEMENTS", "")
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(b":" + os.environ.get("BENCH_KEY", "").encode()).decode(),
    "Content-Type": "application/json",
    "Accept": "application/json",
}


class Pace:
    """Hands out evenly spaced turns, `rate` a second; none are saved up."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._next = 0.0

    async def turn(self) -> None:
        """Waits for the next one."""
        if self._rate:
            now = time.monotonic()
            self._next = max(now, self._next + 1 / self._rate)
            await asyncio.sleep(self._next - now)


def session() -> aiohttp.ClientSession:
    """A client that keeps its connections."""
    return aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=AT_ONCE))


def address(user: str) -> str:
    """Where a user's events go."""
    return f"{SINK}/v6/users/{user}/events"
