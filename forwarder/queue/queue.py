"""All lists of a queue, for people: what `forwarder status`, `audit` and `resume` look at."""

from collections.abc import Callable, Iterator

from redis.asyncio import Redis

from forwarder.errors import ShardsDisagreeError
from forwarder.queue.fleet import Fleet, colleagues
from forwarder.queue.keys import Keys
from forwarder.queue.lease import Lease
from forwarder.queue.mover import Content, contents
from forwarder.queue.records import HaltRecord, Records
from forwarder.queue.sharding import MOST_SHARDS


def lists_of_a_queue(queue: str, shards: int) -> list[Keys]:
    """The keys of all its lists, if it has so many."""
    return [Keys(queue, shard, of=shards) for shard in range(shards)]


def possible_lists(queue: str) -> list[Keys]:
    """Every list that a queue can have, whatever their number."""
    return [Keys(queue), *lists_of_a_queue(queue, MOST_SHARDS)]


class Queue:
    """The operator's side of a queue. Iterating gives the :class:`Records` of each list, by shard."""

    def __init__(self, redis: Redis, queue: str, shards: int) -> None:
        self._redis = redis
        self._keys = lists_of_a_queue(queue, shards)
        self._records = [Records(redis, keys) for keys in self._keys]

    def __iter__(self) -> Iterator[Records]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, shard: int) -> Records:
        return self._records[shard]

    @property
    def names(self) -> list[str]:
        """The lists, by shard, as Redis knows them."""
        return [keys.list for keys in self._keys]

    def lease(self, shard: int, *, ttl: float, owner: str, clock: Callable[[], float]) -> Lease:
        """A new lease of one list, not acquired yet; `owner` is the worker's ID."""
        return Lease(self._redis, self._keys[shard], ttl=ttl, owner=owner, clock=clock)

    def fleet(self, *, name: str, remembered: float) -> Fleet:
        """One worker's side of the queue's fleet."""
        return Fleet(self._redis, self._keys[0], name=name, remembered=remembered)

    async def agree(self) -> None:
        """Makes sure that these are the queue's lists.

        Raises:
            ShardsDisagreeError: it has another number of them.
            UnreachableError: Redis gave no answer.
        """
        agreed = await self[0].shards()
        if agreed is not None and agreed != str(len(self)):
            raise ShardsDisagreeError(self._keys[0].queue, agreed, len(self))

    async def strays(self) -> dict[str, Content]:
        """Lists that hold something and that nobody drains, as they belong to another number of lists."""
        others = [keys for keys in possible_lists(self._keys[0].queue) if keys.list not in self.names]
        found = zip(others, await contents(self._redis, others), strict=True)
        return {keys.list: content for keys, content in found if content and not content.strange}

    async def workers(self) -> dict[str, str]:
        """The names of the workers that are at work by their ids, in the order they came."""
        return {each.id: each.name for each in await colleagues(self._redis, self._keys[0])}

    async def resume(self, *, allow_refusals: int = 0) -> HaltRecord | None:
        """Ends the halt in force and returns it; lets so many refusals through the brake, spread over the lists."""
        if allow_refusals and await self[0].halt() is not None:
            each, rest = divmod(allow_refusals, len(self))
            for shard, records in enumerate(self):
                await records.allow(each + (shard < rest))
        return await self[0].resume()
