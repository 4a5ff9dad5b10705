"""How much is in any list, even in lists that nobody drains, and in lists that may not be ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.wire.connection import translated

#: Lists whose size is read in one round trip.
_PROBED = 128


@dataclass(frozen=True, slots=True)
class Content:
    """How much is in a list.

    Attributes:
        waiting: events that wait, including those that a resharding has set aside.
        claimed: claimed events.
        letters: dead letters.
        noted: an unfinished resharding has touched the list.
        strange: why this cannot be one of our lists, if so.
    """

    waiting: int
    claimed: int
    letters: int
    noted: bool
    strange: str | None

    def __bool__(self) -> bool:
        return bool(self.waiting or self.claimed or self.letters or self.noted)


async def contents(redis: Redis, lists: Sequence[Keys]) -> list[Content]:
    """How much is in each list."""
    found = []
    for first in range(0, len(lists), _PROBED):
        pipeline = redis.pipeline(transaction=False)
        for keys in lists[first : first + _PROBED]:
            pipeline.llen(keys.list)
            pipeline.llen(keys.aside)
            pipeline.hlen(keys.claimed)
            pipeline.xlen(keys.dead)
            pipeline.type(keys.move)
            pipeline.type(QueueKeys(keys.list).shards)
        with translated():
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, RedisError) and "WRONGTYPE" not in str(reply):
                    raise reply
        found += [_content(keys, replies[6 * i : 6 * i + 6]) for i, keys in enumerate(lists[first : first + _PROBED])]
    return found


def _content(keys: Keys, replies: Sequence[Any]) -> Content:
    *counts, kind, own = replies
    waiting, aside, claimed, letters = (count if isinstance(count, int) else 0 for count in counts)
    strange = None
    if any(isinstance(count, RedisError) for count in counts):
        strange = "holds another type under one of its keys: is FORWARDER_QUEUE right?"
    elif own != b"none" and keys.list != keys.queue:
        strange = "is a queue of its own, of another FORWARDER_QUEUE"
    return Content(waiting + aside, claimed, letters, noted=kind == b"hash", strange=strange)
