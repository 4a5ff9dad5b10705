"""Takes the pictures of the status page that stand beside this file: `python -m tests.screens`.

It starts a Redis, the stand-in API and the service, sends a shop's purchases through them for 15 minutes, among them
some that are refused and some trouble with the API, and takes the pictures with the Chromium that it finds. They look
as they should with Debian's packages chromium and fonts-inter, and are small with pngquant.
"""

import argparse
import asyncio
import json
import math
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser
from redis.asyncio import Redis

from forwarder import logs
from forwarder.embedded import EmbeddedRedis
from forwarder.simulator import Faults, RandomAnswer, Refusal, Simulator
from tests.browser import browsing, chromium
from tests.rig import KEY, Running, event, eventually, purchases, running, settings

HERE = Path(__file__).parent
QUEUE = "events"
TOKEN = "the-token-of-the-pictures"
#: Width and height in CSS pixels.
DESK, PHONE = (1216, 900), (360, 780)
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>/usr/share/fonts</dir>
<alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias binding="same"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias></fontconfig>"""


def of_the_best_customers(count: int) -> list[bytes]:
    """The purchases of those who buy most often, so that many events are one user's."""
    events = purchases(20_000)
    users = [json.loads(element)["user_id"] for element in events]
    best = {user for user, _ in Counter(users).most_common(count)}
    return [element for user, element in zip(users, events, strict=True) if user in best]


async def traffic(redis_url: str, api: Simulator, minutes: float) -> None:
    """Pushes in waves for so long; half way the API has a minute of trouble."""
    dice = random.Random(1)
    events = of_the_best_customers(300)
    begun = time.monotonic()
    async with Redis.from_url(redis_url) as redis:
        while (part := (time.monotonic() - begun) / (60 * minutes)) < 1:
            troubled = 0.5 < part < 0.58
            api.faults = Faults(
                latency=0.08,
                refuse=[Refusal(name="refused")],
                statuses=[RandomAnswer(status=503, rate=0.6 if troubled else 0.004)],
            )
            batch = dice.choices(events, k=int(420 + 260 * math.sin(part * 14) + dice.uniform(0, 80)))
            if dice.random() < 0.03:
                batch.append(event(f"u-{dice.randrange(999)}", 1, name="refused"))
            if dice.random() < 0.02:
                batch.append(b'{"user_id":"u-7","nme":"purchase"}')
            await redis.rpush(QUEUE, *batch)
            await asyncio.sleep(1)


async def picture(
    browser: Browser,
    service: Running,
    name: str,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    *,
    unlocked: bool = False,
) -> None:
    """Takes one, of the whole page."""
    page = await browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    if unlocked:
        await page.add_init_script(f"sessionStorage.setItem('token', '{TOKEN}')")
    await page.goto(service.url)
    await page.wait_for_selector("#contact.live")
    if unlocked:
        await page.click("#reveal")
        await page.wait_for_selector("#letters pre")
    # The whole of a page with twenty letters is too long for a picture.
    await page.evaluate("document.querySelectorAll('#letters > li:nth-child(n + 3)').forEach((e) => (e.hidden = true))")
    file = HERE / f"{name}.png"
    await page.screenshot(path=file, full_page=True)
    await page.close()
    # A picture of a page has few colors: a palette makes it a third as large.
    if (smaller := shutil.which("pngquant")) is not None:
        subprocess.run([smaller, "--force", "--ext", ".png", str(file)], check=True)
    sys.stdout.write(f"{file.relative_to(Path.cwd())}: {file.stat().st_size / 1000:.0f} kB\n")


async def pictures(minutes: float) -> None:
    """All of them, in one run."""
    with TemporaryDirectory() as scratch, EmbeddedRedis(port=None) as server:
        fonts = Path(scratch) / "fonts.conf"
        fonts.write_text(_FONTS)
        async with Simulator(KEY, keep_requests=False) as api, browsing({"FONTCONFIG_FILE": str(fonts)}) as browser:
            given = settings(
                *(server.url, QUEUE, api), rate_limit=120, concurrency=64, linger=0.25, retry_max=1.0, admin_token=TOKEN
            )
            async with running(given) as service:
                await traffic(server.url, api, minutes)
                await picture(browser, service, "desk-light", DESK, "light")
                await picture(browser, service, "desk-dark", DESK, "dark", unlocked=True)
                await picture(browser, service, "phone", PHONE, "light")
                api.api_key = "another"
                await traffic(server.url, api, 0.2)
                await eventually(lambda: halted(service))
                await picture(browser, service, "halted", DESK, "light", unlocked=True)


async def halted(service: Running) -> bool:
    """Whether it is."""
    return (await service.get("/readyz"))[0] == 503


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.screens", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15, help="How long to send; 15 minutes fill the charts.")
    minutes: float = parser.parse_args().minutes
    if chromium() is None:
        sys.exit("no Chromium was found on PATH")
    logs.configure("console", "error")
    asyncio.run(pictures(minutes))


main()
