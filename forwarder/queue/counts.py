"""The counts of all lists of a queue: now, and what they added up to in the last 15 minutes.

One process counts at a time, and the others read what it found.

Who counts has nothing to do with who owns a list. So each list is counted once: while it moves to another worker, while
its owner is dead, during a halt, and when no worker runs.

Why they are shared, with 1,000 lists and a sample every five seconds: if each of 100 workers counted all lists, Redis
would run 20,000 scripts a second, which is more than it can. Shared, it runs 200 and answers 20 reads, however many
workers there are.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from forwarder.errors import RolledBackError, WrongTypeError
from forwarder.queue import totals
from forwarder.queue.census import Census, read
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.totals import Totals
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Seconds that a process has for counting before another one may begin. Counting 1,000 lists takes eight round trips.
_TURN = 2.0
#: Seconds that counts may be old while a process counts. Example: it cannot reach one master of a cluster, and starts
#: anew every five seconds. After 15 s each process tries for itself, and shows why it cannot count.
_MEANWHILE = 15.0
#: Characters of a token that are shared: as many as a worker's ID has. The whole token would be the right to settle.
_OWNER = 12
#: Seconds between two entries of the past at least. Each process takes a sample every 5 s, and some a moment early: so
#: 14 and not 15, or some entries would be 20 s apart.
_APART = 14
#: Entries that are kept: 15 minutes of them.
_ENTRIES = 60
#: Milliseconds after which the past is forgotten if nobody counts: 20 minutes.
_KEPT = 20 * 60_000

_Row = tuple[int, int, str | None, int, int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of each list, by shard.

    Attributes:
        age: how many seconds ago they were made.
        at: the same, in seconds since 1970 by Redis' clock.
    """

    age: float
    censuses: tuple[Census, ...]
    at: float

    @property
    def totals(self) -> Totals:
        """What they add up to."""
        return total(self.censuses, self.at)


def total(censuses: Sequence[Census], at: float) -> Totals:
    """What these lists add up to; `at` is when they were counted, in seconds since 1970 by Redis' clock."""
    return Totals(
        at=at,
        waiting=sum(each.waiting for each in censuses),
        claimed=sum(each.claimed for each in censuses),
        accepted=sum(each.accepted for each in censuses),
        dead_lettered=sum(each.dead_lettered for each in censuses),
        replayed=sum(each.replayed for each in censuses),
        letters=sum(each.letters for each in censuses),
        sequence=sum(each.sequence for each in censuses),
    )


class Counts:
    """Counts all lists of a queue, or reads what another process has counted.

    Every method raises UnreachableError when Redis gives no answer, and WrongTypeError when a key of a list holds
    another type. Of the keys of the queue, another type makes what it should hold unknown.

    Args:
        redis: the client.
        keys: of the queue.
        lists: the keys of each list, by shard.
    """

    def __init__(self, redis: Redis, keys: QueueKeys, lists: Sequence[Keys]) -> None:
        self._redis = redis
        self._key = keys.counts
        self._past = keys.past
        self._lists = lists

    async def now(self) -> list[Census]:
        """The counts of each list, by shard. Each list is counted at an instant of its own."""
        return [
            read(reply) for reply in await scripts.run_each(self._redis, "census", [k.of_the_list for k in self._lists])
        ]

    async def lately(self, max_age: float) -> Counted:
        """Counts that are at most this many seconds old; a little older while another process is counting.

        With 0 they are always made now: after an action, nobody wants to see what was before it.
        """
        meanwhile = _MEANWHILE if max_age else 0.0
        keys, waits = [self._key], (_micro(max_age), _micro(meanwhile), _micro(_TURN))
        verdict, now, *found = await self._run("counts", keys, *waits)
        if verdict == b"counted":
            age, text = found
            censuses = self._shared(text)
            if censuses is not None:
                return Counted(int(age) / 1e6, censuses, (int(now) - int(age)) / 1e6)
        counted = Counted(0.0, tuple(await self.now()), int(now) / 1e6)
        if verdict == b"alone":
            return counted
        entry = (counted.totals.text, _APART, _ENTRIES, _KEPT)
        _, age = await self._run("share_counts", [self._key, self._past], now, _text(counted.censuses), *entry)
        return replace(counted, age=int(age) / 1e6)  # this process may have been frozen meanwhile

    async def past(self) -> tuple[Totals, ...]:
        """What the lists added up to about every 15 s of the last 15 minutes, oldest first.

        What somebody else has written is left out: entries, or the whole key.
        """
        with translated():
            try:
                entries = await self._redis.lrange(self._past, 0, -1)
            except ResponseError as error:
                if "WRONGTYPE" in str(error):
                    return ()
                raise
        return tuple(found for each in entries if (found := totals.read(each)) is not None)

    async def _run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> list[bytes]:
        try:
            reply: list[bytes] = await scripts.run(self._redis, script, keys, arguments)
        except RolledBackError as error:
            raise WrongTypeError(self._key, "another type", "a hash") from error
        return reply

    def _shared(self, text: bytes) -> tuple[Census, ...] | None:
        """What another process has counted; None if it has another number of lists, or if somebody else wrote this."""
        try:
            rows = msgspec.json.decode(text, type=list[_Row])
        except (msgspec.DecodeError, RecursionError):
            return None
        return tuple(Census(*row) for row in rows) if len(rows) == len(self._lists) else None


def _text(censuses: Sequence[Census]) -> bytes:
    rows = [astuple(replace(each, lease=each.lease and each.lease[:_OWNER])) for each in censuses]
    return msgspec.json.encode(rows)


def _micro(seconds: float) -> int:
    return int(seconds * 1_000_000)
