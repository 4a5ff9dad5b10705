"""How much of one file was pushed onto each list of a queue: marks that the push itself moves, see ``push_file.lua``.

A mark is one whole number, digest × 10⁹ + count: how many events of the file were pushed onto the list, and 33 bits of
their SHA-256. The digest tells a file that has grown from one whose beginning has changed.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from forwarder.errors import ConfigurationError, QueueError, UnreachableError
from forwarder.queue.keys import Side
from forwarder.queue.wire.exchange import exchange
from forwarder.queue.wire.replies import Command, Lost, Refusal, Reply
from forwarder.queue.wire.scripts import source

#: Milliseconds after which a mark is forgotten: 7 days after the last run.
_LIFETIME = 7 * 86_400_000
_COUNTS = 10**9
#: The digest and the count fit the 64 bits of a number in Redis: 9,223,372,034,999,999,999 < 2^63.
_DIGESTS = 9_223_372_034
_DENIED = re.compile(r"(?i)permission|can't run this command")


def count_of(mark: int) -> int:
    """How many events a mark stands for."""
    return mark % _COUNTS


class Reach:
    """The first events of a file that belong to one list."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def further(self, elements: Iterable[bytes]) -> "Reach":
        """These events, and the next ones.

        Raises:
            ConfigurationError: they are too many for a mark.
        """
        after = Reach()
        after._hash, after.count = self._hash.copy(), self.count
        for element in elements:
            after._hash.update(element + b"\n")
            after.count += 1
        if after.count >= _COUNTS:
            raise ConfigurationError([f"--once: one list would get {_COUNTS:,} events of the file: split the file"])
        return after

    @property
    def mark(self) -> int:
        """The mark that stands for these events."""
        if not self.count:
            return 0
        digest = 1 + int.from_bytes(self._hash.digest()[:8], "big") % _DIGESTS
        return digest * _COUNTS + self.count


class Step(NamedTuple):
    """Events to push onto a list, and its mark before and after."""

    before: int
    after: int
    elements: Sequence[bytes]


class FileMarks:
    """The marks of one file. Every method may be called again, and raises UnreachableError if Redis gives no answer.

    Args:
        redis: the client.
        queue: the name of the queue.
        lists: the names of its lists, by shard.
        side: where the workers take the oldest event.
        file: what identifies the file.
    """

    def __init__(self, redis: Redis, queue: str, lists: Sequence[str], side: Side, file: str) -> None:
        self._redis = redis
        self._queue = queue
        self._lists = lists
        self._verb = "RPUSH" if side == "left" else "LPUSH"
        name = hashlib.sha256(file.encode(errors="surrogateescape")).hexdigest()[:32]
        self._keys = [f"{{{each}}}:pushed:file:{name}" for each in lists]
        #: How many lists the queue had when the file was first pushed.
        self._key_of_lists = f"{{{queue}}}:pushed:file:{name}:lists"

    async def read(self) -> list[int]:
        """The mark of each list. All of them live on from now.

        Raises:
            ConfigurationError: the queue had another number of lists then, or a right is missing.
        """
        # It outlives the marks, which live on with each push.
        number: list[Command] = [("SETNX", self._key_of_lists, len(self._lists))]
        number.append(("GETEX", self._key_of_lists, "PX", 2 * _LIFETIME))
        _, lists, *marks = await self._ask([*number, *(("GETEX", key, "PX", _LIFETIME) for key in self._keys)])
        if lists != len(self._lists):
            raise ConfigurationError([self._resharded(lists)])
        return marks

    def _resharded(self, lists: int) -> str:
        return (
            f"when this file was pushed, the queue {self._queue!r} had another number of lists ({lists}; now "
            f"{len(self._lists)}), so it is not known what is missing. Nothing was pushed now. Put what is missing "
            "into a file with another name"
        )

    async def push(self, steps: Mapping[int, Step]) -> dict[int, int]:
        """Pushes events onto lists whose marks are those before, and returns their marks now.

        Raises:
            ConfigurationError: a right is missing.
        """
        script = source("push_file")
        commands = [self._command(script, shard, step) for shard, step in steps.items()]
        return dict(zip(steps, await self._ask(commands), strict=True))

    def _command(self, script: str, shard: int, step: Step) -> Command:
        change = step.after - step.before
        keys = (self._lists[shard], self._keys[shard])
        return ("EVAL", script, 2, *keys, self._verb, _LIFETIME, step.before, change, *step.elements)

    async def _ask(self, commands: Sequence[Command]) -> list[int]:
        return [self._number(reply) for reply in await exchange(self._redis, commands)]

    def _number(self, reply: Reply) -> int:
        match reply:
            case Refusal(why=why) if _DENIED.search(why):
                raise ConfigurationError([self._denied(why)])
            case Refusal(why=why, full=True):
                raise QueueError(f"Redis has no memory left ({why})")
            case Refusal(why=why) | Lost(why=why):
                raise UnreachableError(why)
        return int(reply or 0)

    def _denied(self, why: str) -> str:
        keys = f"~{{{self._queue}}}:pushed:*"
        if len(self._lists) > 1:
            keys += f" ~{{{self._queue}:*}}:pushed:*"
        return (
            f"--once needs more rights in Redis ({why}). Nothing was pushed. For the user in FORWARDER_REDIS_URL: "
            f"ACL SETUSER USER {keys} +eval +get +setnx +getex +incrby"
        )
