"""Fills a queue with everything that a queue can hold, and checks that all of it is in its place after a resharding."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from forwarder.operations.redistribute import Moved
from forwarder.operations.reshard import carry_out, make_plan, refuse
from forwarder.queue.census import Census
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.keys import Keys, Side
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.queue.queue import Queue, QueueList, lists_of_a_queue
from forwarder.queue.sharding import shard_of
from forwarder.queue.wire.connection import connect
from tests.support.claims import owner
from tests.support.service import event

MOST_BYTES = 65_536
_LIMITS = {"most_bytes": 10_000_000, "most_bytes_of_one": MOST_BYTES}
#: The keys that may exist while nobody drains the queue.
_LASTING = {"claimed", "sequence", "settlement", "accepted", "dead_lettered", "replayed", "deleted", "dead", "shards"}


def element(user: str, number: int, *, date: bool) -> bytes:
    found = json.loads(event(user, number))
    if not date:
        del found["date"]
    return json.dumps(found).encode()


class Crowd:
    """Users whose events are in a queue's lists. It knows what must be there, and in which order.

    Attributes:
        numbers: of each user's events that wait or are claimed, oldest first.
        strange: elements that name no user.
        letters: elements of the dead letters.
        claimed_at: of events without a date, in seconds.
    """

    def __init__(self, redis: Redis, queue: str, chance: random.Random, *, side: Side = "left") -> None:
        self.redis, self.queue, self.side = redis, queue, side
        self._chance = chance
        self._number = 0
        self.users = [f"u-{n}" for n in range(12)]
        self.numbers: dict[str, list[int]] = {}
        self.strange: Counter[bytes] = Counter()
        self.letters: Counter[bytes] = Counter()
        self.claimed_at: dict[int, int] = {}
        self.accepted = 0

    async def push(self, shards: int, count: int) -> None:
        """Pushes events of random users. One in twenty elements is not an event."""
        for _ in range(count):
            self._number += 1
            user, shard = self._chance.choice(self.users), self._chance.randrange(shards)
            if self._chance.random() < 0.05:
                pushed = b"nothing of ours %d" % self._number
                self.strange[pushed] += 1
            else:
                pushed = element(user, self._number, date=self._chance.random() < 0.5)
                self.numbers.setdefault(user, []).append(self._number)
                shard = shard_of(user, shards)
            keys = Keys(self.queue, shard, of=shards)
            await (self.redis.rpush if self.side == "left" else self.redis.lpush)(keys.list, pushed)

    async def work(self, shards: int, *, claim: int, settle: int) -> None:
        """Claims up to `claim` events of each list, and settles the first `settle`: every third becomes a letter."""
        for keys in lists_of_a_queue(self.queue, shards):
            claims = await owner(self.redis, keys, side=self.side)
            got = await claims.claim(most=claim, **_LIMITS)
            accepted, letters = [], []
            for number, each in list(zip(got.numbers, got.elements, strict=True)):
                assert isinstance(each, bytes)
                if number < got.first + settle:
                    self._gone(each)
                    if number % 3:
                        accepted.append(number)
                    else:
                        letters.append(NewLetter(number, got.stamp, "rejected", "400", "", "", 1))
                        self.letters[each] += 1
                elif each.startswith(b"{") and "date" not in json.loads(each):
                    self.claimed_at[json.loads(each)["n"]] = got.stamp // 1_000_000
            await claims.settle(Settlement({got.stamp: accepted}, letters))
            await claims.lease.release()
            self.accepted += len(accepted)

    def _gone(self, element: bytes) -> None:
        if element in self.strange:
            self.strange[element] -= 1
            self.strange += Counter()
        else:
            members = json.loads(element)
            self.numbers[members["user_id"]].remove(members["n"])

    async def check(self, shards: int) -> None:
        """Nothing is missing or doubled, everything is in its list and in order, and the sums are right."""
        assert await Queue(self.redis, self.queue, 1).shards() == str(shards)
        numbers: dict[str, list[int]] = {}
        strange: Counter[bytes] = Counter()
        letters: Counter[bytes] = Counter()
        total: list[Census] = []
        for keys in lists_of_a_queue(self.queue, shards):
            for each in await self.waiting(keys):
                if each.startswith(b"{"):
                    self._check_event(each, keys)
                    members = json.loads(each)
                    numbers.setdefault(members["user_id"], []).append(members["n"])
                else:
                    strange[each] += 1
            letters += Counter([letter.element async for letter in self._letters(keys)])
            census = await QueueList(self.redis, keys).census()
            assert (census.claimed, census.lease) == (0, None)
            assert not any(census.imbalances.values()), census
            total.append(census)
        assert numbers == {user: expected for user, expected in self.numbers.items() if expected}
        assert strange == self.strange
        assert letters == self.letters
        assert sum(census.accepted for census in total) == self.accepted
        assert sum(census.waiting + census.sequence - census.replayed for census in total) == self._number
        await self._check_keys(shards)
        for keys, census in zip(lists_of_a_queue(self.queue, shards), total, strict=True):
            groups = await ListLetters(self.redis, keys).groups(calls=100)  # which the next resharding must not keep
            assert (groups.exact, groups.by_reason.total()) == (True, census.letters)

    def _check_event(self, element: bytes, keys: Keys) -> None:
        members = json.loads(element)
        assert shard_of(members["user_id"], keys.of) == keys.shard
        at = self.claimed_at.get(members["n"])
        if at is not None:
            assert members["date"] == f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"

    async def waiting(self, keys: Keys) -> Sequence[bytes]:
        """Oldest first."""
        found: list[Any] = await self.redis.lrange(keys.list, 0, -1)
        return found if self.side == "left" else found[::-1]

    async def _letters(self, keys: Keys) -> AsyncIterator[DeadLetter]:
        async for letter in ListLetters(self.redis, keys).all():
            members = json.loads(letter.element) if letter.element.startswith(b"{") else None
            assert members is None or shard_of(members["user_id"], keys.of) == keys.shard
            yield letter

    async def _check_keys(self, shards: int) -> None:
        """No key is left of the resharding, or of a list that no longer exists."""
        names = {keys.list for keys in lists_of_a_queue(self.queue, shards)}
        allowed = names | {f"{{{name}}}:{key}" for name in {*names, self.queue} for key in _LASTING}
        gone = {f"{{{self.queue}}}:{key}" for key in _LASTING - {"shards"}} if shards > 1 else set()
        found = {key.decode() async for key in self.redis.scan_iter(match=f"*{self.queue}*", count=1_000)}
        assert found <= allowed - gone, found - (allowed - gone)


async def reshard(url: str, queue: str, shards: int, *, side: Side = "left", move: bool = True) -> Moved:
    """Reshards as the command does, on a connection of its own."""
    async with connect(url) as redis:
        plan = await make_plan(redis, queue, shards, configured=1)
        if plan.done:
            return Moved()
        await refuse(redis, plan, move=move)
        return await carry_out(redis, plan, side=side, max_event_bytes=MOST_BYTES, progress=lambda _: None)
