"""All lists of a queue, for people: what `forwarder status`, `audit` and `resume` look at."""

from collections.abc import Iterator

from forwarder.errors import ShardsDisagreeError
from forwarder.queue import Colleague, HaltRecord, Keys, Records, Redis, colleagues


class Lists:
    """The operator's side of a queue. Iterating gives the :class:`Records` of each list, by shard."""

    def __init__(self, redis: Redis, queue: str, shards: int) -> None:
        self._redis = redis
        self._keys = [Keys(queue, shard, of=shards) for shard in range(shards)]
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

    async def agree(self) -> None:
        """Makes sure that these are the queue's lists.

        Raises:
            ShardsDisagreeError: it has another number of them.
            UnreachableError: Redis gave no answer.
        """
        agreed = await self[0].shards()
        if agreed is not None and agreed != str(len(self)):
            raise ShardsDisagreeError(self._keys[0].queue, agreed, len(self))

    async def workers(self) -> list[Colleague]:
        """The workers that are at work, in the order they came."""
        return await colleagues(self._redis, self._keys[0])

    async def resume(self, *, allow_refusals: int = 0) -> HaltRecord | None:
        """Ends the halt in force and returns it; lets so many refusals through the brake, spread over the lists."""
        if allow_refusals and await self[0].halt() is not None:
            each, rest = divmod(allow_refusals, len(self))
            for shard, records in enumerate(self):
                await records.allow(each + (shard < rest))
        return await self[0].resume()
