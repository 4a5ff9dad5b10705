"""What a test of the service stands on."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.queue.census import Census
from forwarder.simulator import Simulator
from tests.support.service import Running, census, running, settings, settled


@dataclass(frozen=True)
class World:
    """A Redis that others use too, a list of the test's own, and the stand-in API."""

    url: str
    redis: Redis
    queue: str
    api: Simulator

    def settings(self, **others: object) -> Settings:
        """Settings of a worker of this world; quick and patient unless `others` say otherwise."""
        return settings(self.url, self.queue, self.api, **others)

    def service(self, **others: object) -> AbstractAsyncContextManager[Running]:
        """A worker in this process, with these settings; it runs while entered."""
        return running(self.settings(**others))

    async def push(self, *elements: bytes) -> None:
        """Pushes as a producer does."""
        await self.redis.rpush(self.queue, *elements)

    async def census(self) -> Census:
        """The counts of the list."""
        return await census(self.redis, self.queue)

    async def settled(self, *, within: float = 20.0) -> Census:
        """Waits until nothing waits and nothing is claimed."""
        return await settled(self.redis, self.queue, within=within)
