"""Dead letters for tests, made as the service makes them."""

from collections.abc import Sequence

from redis.asyncio import Redis

from forwarder.dead_letters.letters import Letters
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.keys import Keys, Side
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.queue.queue import Queue
from tests.support.claims import owner


async def bury(
    redis: Redis, queue: str, elements: Sequence[bytes], users: Sequence[str], *, reason: str = "rejected"
) -> list[DeadLetter]:
    """Pushes, claims and dead-letters `elements` of these users. Returns all letters of the list."""
    keys = Keys(queue)
    await redis.rpush(queue, *elements)
    claims = await owner(redis, keys)
    claimed = await claims.claim(most=len(elements), most_bytes=2**30, most_bytes_of_one=2**20)
    letters = [
        NewLetter(claimed.first + i, claimed.stamp, reason, "400", "the API answered 400", user, 1)
        for i, user in enumerate(users)
    ]
    await claims.settle(Settlement(letters=letters))
    await claims.lease.release()
    return await letters_of(redis, queue)


async def written(redis: Redis, queue: str, elements: Sequence[bytes], users: Sequence[str]) -> None:
    """Writes letters of these events, as if they had been claimed and refused. Waiting events stay as they are."""
    keys = Keys(queue)
    pipeline = redis.pipeline(transaction=True)
    for element, user in zip(elements, users, strict=True):
        pipeline.xadd(keys.dead, {"element": element, "reason": "rejected", "user_id": user, "claimed_at": "1"})
    pipeline.incrby(keys.sequence, len(elements))
    pipeline.incrby(keys.dead_lettered, len(elements))
    await pipeline.execute()


async def letters_of(redis: Redis, queue: str) -> list[DeadLetter]:
    """All letters of a list."""
    return [letter async for letter in ListLetters(redis, Keys(queue)).all()]


def of(redis: Redis, queue: str, *, side: Side = "left") -> Letters:
    """The letters of a list, as the commands use them."""
    return Letters(Queue(redis, queue, 1), side=side)
