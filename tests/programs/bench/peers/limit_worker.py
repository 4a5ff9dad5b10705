"""A bare aiohttp loop that POSTs ready-made bodies: no Python service that uses aiohttp can be faster."""

import asyncio
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from yarl import URL

from tests.programs.bench.peers.pace import AT_ONCE, ELEMENTS, RATE, Pace, address, session


async def _loop(client: aiohttp.ClientSession, left: Iterator[tuple[URL, bytes]], pace: Pace) -> None:
    for url, body in left:
        await pace.turn()
        async with client.post(url, data=body) as response:
            await response.read()


async def main() -> None:
    posts = pickle.loads(Path(ELEMENTS).with_suffix(".pickle").read_bytes())
    left = iter([(URL(address(user), encoded=True), body) for user, body in posts])
    let_go = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, let_go.set)
    print("ready", flush=True)
    await let_go.wait()
    pace = Pace(RATE)
    async with session() as client:
        await asyncio.gather(*(_loop(client, left, pace) for _ in range(AT_ONCE)))
    await asyncio.Event().wait()  # its CPU time is read while it lives


if __name__ == "__main__":
    asyncio.run(main())
