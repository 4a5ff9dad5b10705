"""The producers' side of the lists: what is sent, and what its reply says was done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from forwarder.errors import ConfigurationError
from forwarder.queue.keys import QueueKeys, Side
from forwarder.queue.sharding import check_queue, list_name
from forwarder.queue.wire.replies import Command, Lost, Refusal, Reply
from forwarder.queue.wire.scripts import source


@dataclass(frozen=True, slots=True)
class Durability:
    """Where an event must be before its push counts as done; else :exc:`NotDurableError`.

    Attributes:
        replicas: how many replicas must have it (``WAIT``).
        aof: it must be in the append-only file, fsynced, here and on the replicas (``WAITAOF``: Redis 7.2, Valkey).
        within: seconds to wait for that. With ``appendfsync everysec`` an fsync alone may take more than one.
    """

    replicas: int = 0
    aof: bool = False
    within: float = 3.0


class PushEnding(StrEnum):
    """How a command that pushes ended."""

    DONE = "done"
    QUEUE_FULL = "queue full"
    REDIS_FULL = "Redis full"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the events of one command: so many, the first ones, were pushed; unless it is lost, no others."""

    ending: PushEnding
    pushed: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a producer pushes, and on what conditions."""

    queue: str
    shards: int
    side: Side
    max_waiting: int | None
    durability: Durability

    def problems(self) -> Iterator[str]:
        """What cannot work, one line each."""
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

    def questions(self) -> list[Command]:
        """What to ask before the first push."""
        asked: list[Command] = [("GET", QueueKeys(self.queue).shards)]
        # Before any write it waits for nothing, and tells whether it could.
        return [*asked, ("WAITAOF", 1, 0, 1)] if self.durability.aof else asked

    def objection(self, replies: Sequence[Reply]) -> str | None:
        """Why nothing can be pushed now, from the replies to the questions; None if nothing speaks against it.

        Raises:
            ConfigurationError: this producer can never push here.
        """
        shards, *aof = replies
        if isinstance(shards, (Refusal, Lost)):
            return f"cannot read {QueueKeys(self.queue).shards}, which says how many lists there are: {shards.why}"
        if shards is not None and shards != b"%d" % self.shards:
            raise ConfigurationError([self._other_shards(bytes(shards).decode(errors="replace"))])
        for reply in aof:
            if isinstance(reply, Refusal):
                raise ConfigurationError([f"durability with aof=True cannot be had from this Redis: {reply.why}"])
            if isinstance(reply, Lost):
                return reply.why
        return None

    def _other_shards(self, number: str) -> str:
        if not number.isdecimal():
            return f"the queue {self.queue!r} is being resharded ({number}): start with the new number afterwards"
        return (
            f"this producer has shards={self.shards}, but Redis key {QueueKeys(self.queue).shards} says {number}: "
            "give the producer the number that the workers have"
        )

    def commands(self, portions: Sequence[tuple[int, Sequence[bytes]]]) -> list[Command]:
        """One command for each list and its elements; then, if asked for, one that waits until they are durable."""
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
        """What became of commands with so many elements each, and why what was pushed may not be durable."""
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
                    PushEnding.QUEUE_FULL, pushed, f"{self.max_waiting:,} events wait in a list, and no more may"
                )
        return Fate(PushEnding.DONE, count)

    def _shortfall(self, reply: Reply) -> str | None:
        wanted = self.durability
        match reply:
            case Lost(why) | Refusal(why):
                return f"whether they are durable is not known: {why}"
            case [int(here), int(replicas)] if not here:
                return f"not in the append-only file within {wanted.within:g} s, and on {replicas} replicas"
            case [_, int(replicas)] | int(replicas) if replicas < wanted.replicas:
                return f"on {replicas} of {wanted.replicas} replicas within {wanted.within:g} s"
        return None
