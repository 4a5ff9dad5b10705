"""How much of one file was pushed onto each list of a queue: marks that the push itself moves, see ``push_file.lua``.

A mark is a marker as in `markers`, of the events of the file that were pushed onto the list. Its digest tells a file
that has grown from one with a changed beginning.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from forwarder.errors import ConfigurationError, QueueError, UnreachableError
from forwarder.queue.keys import Side, marker
from forwarder.queue.markers import COUNTS, digest_of
from forwarder.queue.wire.exchange import exchange
from forwarder.queue.wire.replies import Command, Lost, Refusal, RefusalKind, Reply
from forwarder.queue.wire.scripts import source

#: Milliseconds after which a mark is forgotten: 7 days after the last run.
_LIFETIME = 7 * 86_400_000
#: Milliseconds for which Redis remembers that it had marks of a file: 90 days. Within these, a file whose marks were
#: forgotten is refused; after them it would be pushed from its beginning.
_LIFETIME_OF_LISTS = 90 * 86_400_000
_FORGOTTEN = (
    "Redis no longer knows how much of this file was pushed: it remembers that for 7 days. Nothing was pushed now. Put "
    "what is missing into a file with another name"
)


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
        if after.count >= COUNTS:
            raise ConfigurationError([f"--once: one list would get {COUNTS:,} events of the file: split the file"])
        return after

    @property
    def mark(self) -> int:
        """The mark that stands for these events."""
        if not self.count:
            return 0
        return digest_of(self._hash) * COUNTS + self.count


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
        self._keys = [marker(each, f"file:{name}") for each in lists]
        #: How many lists the queue had when the file was first pushed.
        self._key_of_lists = marker(queue, f"file:{name}:lists")

    async def read(self) -> list[int]:
        """The mark of each list. All of them live on from now.

        Raises:
            ConfigurationError: the queue had another number of lists then, the marks were forgotten, or a right is
                missing.
        """
        lists, *marks = await self._look()
        if lists is None:
            # Only once every list has a mark, a missing mark is one that was forgotten.
            await self._ask([("SETNX", key, 0) for key in self._keys])
            await self._ask([("SETNX", self._key_of_lists, len(self._lists))])
            lists, *marks = await self._look()
        if lists != len(self._lists):
            raise ConfigurationError([self._resharded(lists)])
        known = [mark for mark in marks if mark is not None]
        if len(known) < len(marks):
            raise ConfigurationError([_FORGOTTEN])
        return known

    async def _look(self) -> list[int | None]:
        of_lists: Command = ("GETEX", self._key_of_lists, "PX", _LIFETIME_OF_LISTS)
        return await self._ask([of_lists, *(("GETEX", key, "PX", _LIFETIME) for key in self._keys)])

    def _resharded(self, lists: int | None) -> str:
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
        return {shard: mark or 0 for shard, mark in zip(steps, await self._ask(commands), strict=True)}

    def _command(self, script: str, shard: int, step: Step) -> Command:
        change = step.after - step.before
        keys = (self._lists[shard], self._keys[shard])
        return ("EVAL", script, 2, *keys, self._verb, _LIFETIME, step.before, change, *step.elements)

    async def _ask(self, commands: Sequence[Command]) -> list[int | None]:
        return [self._number(reply) for reply in await exchange(self._redis, commands)]

    def _number(self, reply: Reply) -> int | None:
        match reply:
            case Refusal(why=why, kind=RefusalKind.DENIED):
                raise ConfigurationError([self._denied(why)])
            case Refusal(why=why, kind=RefusalKind.FULL):
                raise QueueError(why)
            case Refusal(why=why) | Lost(why=why):
                raise UnreachableError(why)
        return None if reply is None else int(reply)

    def _denied(self, why: str) -> str:
        keys = f"~{{{self._queue}}}:pushed:*"
        if len(self._lists) > 1:
            keys += f" ~{{{self._queue}:*}}:pushed:*"
        return (
            f"--once needs more rights in Redis ({why}). Nothing was pushed. For the user in FORWARDER_REDIS_URL: "
            f"ACL SETUSER USER {keys} +eval +get +setnx +getex +incrby"
        )
