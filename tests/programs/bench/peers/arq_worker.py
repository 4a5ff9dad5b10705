"""An arq worker, and with the argument `load` what enqueues for it as its enqueue_job does, but pipelined."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from arq import run_worker
from arq.connections import RedisSettings, create_pool
from arq.jobs import serialize_job

from tests.programs.bench.peers.pace import AT_ONCE, ELEMENTS, RATE, REDIS, Pace, address, session


async def post(ctx: dict[str, Any], user: str, event: dict[str, Any]) -> None:
    await ctx["pace"].turn()
    body = json.dumps({"events": [event]}, separators=(",", ":"))
    async with ctx["client"].post(address(user), data=body) as response:
        await response.read()
        response.raise_for_status()


async def _startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = session()
    ctx["pace"] = Pace(RATE)
    print("ready", flush=True)


async def _shutdown(ctx: dict[str, Any]) -> None:
    await ctx["client"].close()


class WorkerSettings:
    functions = (post,)
    on_startup = _startup
    on_shutdown = _shutdown
    redis_settings = RedisSettings.from_dsn(REDIS)
    max_jobs = AT_ONCE
    keep_result = 0
    # Its default looks for jobs twice a second, which alone would hold it at 640 a second.
    poll_delay = 0.01
    job_timeout = 10


async def load() -> None:
    redis = await create_pool(RedisSettings.from_dsn(REDIS))
    now = int(time.time() * 1000)
    pipe = redis.pipeline(transaction=False)
    for number, line in enumerate(Path(ELEMENTS).read_bytes().splitlines()):
        event = json.loads(line)
        job = serialize_job("post", (event.pop("user_id"), event), {}, None, now)
        pipe.psetex(f"arq:job:{number:08}", 86_400_000, job)
        pipe.zadd("held", {f"{number:08}": now})
        if number % 1_000 == 999:
            await pipe.execute()
    await pipe.execute()
    await redis.aclose()


if __name__ == "__main__":
    if sys.argv[1:] == ["load"]:
        asyncio.run(load())
    else:
        run_worker(WorkerSettings)
