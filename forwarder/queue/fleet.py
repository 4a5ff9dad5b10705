"""What the workers of a queue know of each other: which are running, and how many lists there are."""

import secrets
from dataclasses import dataclass

from redis.asyncio import Redis

from forwarder.errors import RolledBackError, WrongTypeError
from forwarder.queue.keys import QueueKeys
from forwarder.queue.shard_count import disagreement
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's place among the running ones: `rank` counts from 0, in the order in which they came."""

    rank: int
    workers: int


@dataclass(frozen=True, slots=True)
class Colleague:
    """A running worker. The tokens of its leases start with its `id`."""

    id: str
    name: str


class Fleet:
    """One worker's side of its queue's fleet.

    Args:
        redis: the client.
        queue: its name.
        shards: how many lists this worker takes the queue to have.
        name: of this worker, as people see it.
        remembered: seconds after which a silent worker is forgotten.
    """

    def __init__(self, redis: Redis, queue: str, shards: int, *, name: str, remembered: float) -> None:
        self._redis = redis
        self._keys = QueueKeys(queue)
        self._shards = shards
        self._name = name
        self._remembered = int(remembered * 1000)
        self._came = ""
        self.id = secrets.token_hex(6)

    async def attend(self) -> Place:
        """Reports that this worker is running. Call it again before the worker is forgotten.

        Raises:
            ShardsDisagreeError: the queue has another number of lists than `shards`.
            WrongTypeError: a key of the fleet holds another type.
            UnreachableError: Redis gave no answer.
        """
        arguments: list[str | bytes | int] = [self.id, self._remembered, self._shards, self._came, self._name]
        keys = [self._keys.workers, self._keys.shards]
        try:
            verdict, detail, *workers = await scripts.run(self._redis, "attend", keys, arguments)
        except RolledBackError as error:
            raise WrongTypeError(self._keys.workers, "another type", "a hash") from error
        if verdict == b"shards":
            raise disagreement(self._keys.queue, detail.decode(errors="replace"), self._shards)
        self._came = detail.decode()
        ids = workers[::2]
        return Place(ids.index(self.id.encode()), len(ids))

    def forget_place(self) -> None:
        """Gives up this worker's place: it comes last the next time, unless the others still remember it."""
        self._came = ""

    async def leave(self) -> None:
        """Reports that this worker has stopped. If it comes again, it comes last."""
        self._came = ""
        with translated():
            await self._redis.hdel(self._keys.workers, self.id)


async def colleagues(redis: Redis, keys: QueueKeys) -> list[Colleague]:
    """The running workers, in the order in which they came."""
    found = await scripts.run(redis, "workers", [keys.workers], [])
    texts = [text.decode(errors="replace") for text in found]
    return [Colleague(*each) for each in zip(texts[::2], texts[1::2], strict=True)]
