"""The lists as a producer sees them: the commands that push, and what their replies mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from forwarder.errors import ConfigurationError
from forwarder.queue.keys import QueueKeys, Side
from forwarder.queue.sharding import check_queue, list_name
from forwarder.queue.wire.replies import Command, Lost, Refusal, Reply
from forwarder.queue.wire.scripts import source


@dataclass(frozen=True, slots=True)
class Durability:
    """Where an event must be before its push counts as done. If it is not, :exc:`NotDurableError` is raised.

    Attributes:
        replicas: how many replicas must have it (``WAIT``).
        aof: whether the master and these replicas must have it in their append-only file, fsynced (``WAITAOF``:
            Redis 7.2 or Valkey).
        within: seconds to wait for that. With ``appendfsync everysec``, an fsync alone may take more than one.
    """

    replicas: int = 0
    aof: bool = False
    within: float = 3.0


class PushEnding(StrEnum):
    """How one push command ended.

    Attributes:
        DONE: all of its events were pushed.
        QUEUE_FULL: the list has reached ``max_waiting``. Only the first events were pushed, perhaps none.
        REDIS_FULL: Redis has no memory left. No event was pushed.
        REFUSED: Redis answered with another error. No event was pushed.
        LOST: there was no reply. Nobody knows which events were pushed.
    """

    DONE = "done"
    QUEUE_FULL = "queue full"
    REDIS_FULL = "Redis full"
    REFUSED = "refused"
    LOST = "lost"


class Fate(NamedTuple):
    """The result of one push command.

    The first `pushed` events are in the list; the rest are not, unless the reply was lost. `why` is empty if all were
    pushed.
    """

    ending: PushEnding
    pushed: int = 0
    why: str = ""


class Target(NamedTuple):
    """Where a producer pushes, and on what conditions."""

    queue: str
    shards: int
    side: Side
    max_waiting: int | None
    durability: Durability

    def problems(self) -> Iterator[str]:
        """What cannot work, one line for each argument."""
        try:
            check_queue(self.queue)
        except ValueError as error:
            yield f"queue: {error}"
        if self.shards < 1:
            yield "shards: must be at least 1"
        if self.side not in {"left", "right"}:
            yield "consume_from: must be left or right"
        if self.max_waiting is not None and self.max_waiting < 1:
            yield "max_waiting: must be at least 1"
        if self.durability.replicas < 0 or not 0.001 <= self.durability.within <= 60:
            yield "durability: replicas must not be negative, and within must be 0.001 to 60 seconds"

    def questions(self, *, first: bool) -> list[Command]:
        """The commands that must be answered before the first push, or those that are repeated later."""
        asked: list[Command] = [("GET", QueueKeys(self.queue).shards)]
        # Before any write, WAITAOF returns at once; it fails if this Redis cannot do it.
        return [*asked, ("WAITAOF", 1, 0, 1)] if first and self.durability.aof else asked

    def objection(self, replies: Sequence[Reply]) -> str | None:
        """Why nothing can be pushed now, from the replies to the questions; None if events can be pushed.

        Raises:
            ConfigurationError: this producer can never push here.
        """
        shards, *aof = replies
        if isinstance(shards, (Refusal, Lost)):
            return f"cannot read {{{self.queue}}}:shards, which says how many lists there are: {shards.why}"
        if shards is not None and shards != b"%d" % self.shards:
            raise ConfigurationError([self._other_shards(bytes(shards).decode(errors="replace"))])
        for reply in aof:
            if isinstance(reply, Refusal):
                raise ConfigurationError([f"this Redis does not support durability with aof=True: {reply.why}"])
            if isinstance(reply, Lost):
                return reply.why
        return None

    def _other_shards(self, number: str) -> str:
        if not number.isdecimal():
            return (
                f"the queue {self.queue!r} is being resharded ({number}): start with the new number when that is done"
            )
        return (
            f"this producer has shards={self.shards}, but the Redis key {QueueKeys(self.queue).shards} says {number}: "
            f"set shards={number}, as for the workers"
        )

    def commands(self, portions: Sequence[tuple[int, Sequence[bytes]]]) -> list[Command]:
        """One command for each list and its elements, then the one that waits for the durability, if any."""
        verb = "RPUSH" if self.side == "left" else "LPUSH"
        pushes = [self._push(verb, list_name(self.queue, shard, self.shards), elements) for shard, elements in portions]
        return pushes + self._wait()

    def _push(self, verb: str, key: str, elements: Sequence[bytes]) -> Command:
        if self.max_waiting is None:
            return (verb, key, *elements)
        return ("EVAL", source("push"), 1, key, verb, self.max_waiting, *elements)

    def _wait(self) -> list[Command]:
        replicas, milliseconds = self.durability.replicas, round(self.durability.within * 1_000)
        if self.durability.aof:
            return [("WAITAOF", 1, replicas, milliseconds)]
        return [("WAIT", replicas, milliseconds)] if replicas else []

    def fates(self, counts: Sequence[int], replies: Sequence[Reply]) -> tuple[list[Fate], str | None]:
        """The result of each command, and why the events that were pushed may not be durable; None if they are.

        Args:
            counts: the number of elements in each command.
            replies: to the commands, and to the one that waits for the durability.
        """
        fates = [self._fate(count, reply) for count, reply in zip(counts, replies, strict=False)]
        wait = replies[len(counts) :]
        return fates, self._shortfall(wait[0]) if wait and any(fate.pushed for fate in fates) else None

    def _fate(self, count: int, reply: Reply) -> Fate:
        match reply:
            case Lost(why):
                return Fate(PushEnding.LOST, 0, why)
            case Refusal(why, full):
                return Fate(PushEnding.REDIS_FULL if full else PushEnding.REFUSED, 0, why)
            case int(pushed) if self.max_waiting is not None and pushed < count:
                return Fate(
                    PushEnding.QUEUE_FULL,
                    pushed,
                    f"{self.max_waiting:,} events wait in a list, and max_waiting allows no more",
                )
        return Fate(PushEnding.DONE, count)

    def _shortfall(self, reply: Reply) -> str | None:
        wanted = self.durability
        match reply:
            case Lost(why) | Refusal(why):
                return f"it is not known whether they are durable: {why}"
            case [int(here), int(replicas)] if not here:
                return f"not in the append-only file within {wanted.within:g} s, and on {replicas} replicas"
            case [_, int(replicas)] | int(replicas) if replicas < wanted.replicas:
                return f"on {replicas} of {wanted.replicas} replicas within {wanted.within:g} s"
        return None
