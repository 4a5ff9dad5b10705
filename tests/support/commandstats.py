"""How much a Redis has worked, by its own count."""

from redis.asyncio import Redis


async def calls(redis: Redis, *commands: str) -> int:
    """How often these commands were executed, also by scripts, since the server started."""
    found = await redis.info("commandstats")
    return sum(found.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in commands)


async def cpu(redis: Redis) -> float:
    """Seconds of CPU that the server has used."""
    found = await redis.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
