"""The loop that one writes in an afternoon: BLPOP, POST, again; so many of them at once."""

import asyncio
import json

import aiohttp
from redis.asyncio import Redis

from tests.programs.bench.peers.pace import AT_ONCE, RATE, REDIS, Pace, address, session


async def _loop(redis: "Redis", client: aiohttp.ClientSession, pace: Pace) -> None:
    while True:
        popped = await redis.blpop(["events"], timeout=0)
        event = json.loads(popped[1])  # type: ignore[index]
        user = event.pop("user_id")
        body = json.dumps({"events": [event]}, separators=(",", ":"))
        while True:
            await pace.turn()
            async with client.post(address(user), data=body) as response:
                await response.read()
                if response.status == 202:
                    break


async def main() -> None:
    pace = Pace(RATE)
    async with Redis.from_url(REDIS, socket_timeout=None) as redis, session() as client:
        print("ready", flush=True)
        await asyncio.gather(*(_loop(redis, client, pace) for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main())
