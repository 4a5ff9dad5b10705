"""The lists as a producer sees them: what it asks before a push, and the commands that push."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from forwarder.errors import ConfigurationError
from forwarder.producer.arguments import outside
from forwarder.producer.fates import Fate, PushEnding, Shortfall, fate, shortfall
from forwarder.producer.idempotency import Key
from forwarder.producer.portions import Portion
from forwarder.queue.keys import QueueKeys, Side, marker
from forwarder.queue.shard_count import Mark, foreign, is_count
from forwarder.queue.sharding import MOST_SHARDS, check_queue, list_name
from forwarder.queue.wire.connection import ANSWER_TIMEOUT
from forwarder.queue.wire.replies import Command, Lost, Refusal, Reply, passing
from forwarder.queue.wire.scripts import digest, source


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


class Form(StrEnum):
    """How the script of an idempotent push is sent; PLAIN is without the script."""

    HASH = "hash"
    TEXT = "text"
    PLAIN = "plain"


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
        yield from outside("shards", self.shards, 1, MOST_SHARDS, example=4)
        if self.side not in {"left", "right"}:
            yield f"consume_from: {self.side!r} is not left or right; example: left"
        if self.max_waiting is not None:
            yield from outside("max_waiting", self.max_waiting, 1, example=1_000_000)
        yield from outside("durability: replicas", self.durability.replicas, 0, example=1)
        yield from outside("durability: within", self.durability.within, 0.001, 60, unit=" seconds", example=3)

    @property
    def answer_timeout(self) -> float:
        """Seconds after which a reply counts as lost. Redis may wait for replicas before it replies."""
        return ANSWER_TIMEOUT + self.durability.within

    @property
    def durable(self) -> bool:
        """Whether a push waits for replicas or for the append-only file."""
        return bool(self.durability.replicas or self.durability.aof)

    def questions(self, *, first: bool) -> list[Command]:
        """The commands that must be answered before the first push, or those that are repeated later."""
        asked: list[Command] = [("GET", QueueKeys(self.queue).shards)]
        # Before any write, WAITAOF returns at once; it fails if this Redis cannot do it.
        return [*asked, ("WAITAOF", 1, 0, 1)] if first and self.durability.aof else asked

    def objection(self, replies: Sequence[Reply]) -> Fate | None:
        """Why nothing can be pushed now, from the replies to the questions; None if events can be pushed.

        Raises:
            ConfigurationError: this producer can never push here.
        """
        shards, *aof = replies
        if isinstance(shards, (Refusal, Lost)):
            which = f"cannot read {{{self.queue}}}:shards, which says how many lists there are"
            return Fate(_unanswered(shards), 0, f"{which}: {shards.why}")
        if shards is not None and shards != b"%d" % self.shards:
            raise ConfigurationError([self._other_shards(bytes(shards).decode(errors="replace"))])
        for reply in aof:
            if isinstance(reply, Refusal) and not passing(reply):
                raise ConfigurationError([f"this Redis does not support durability with aof=True: {reply.why}"])
            if passing(reply):
                return Fate(PushEnding.UNAVAILABLE, 0, reply.why)
        return None

    def _other_shards(self, number: str) -> str:
        if not is_count(number):
            if Mark.read(number) is None:
                return foreign(self.queue, number)
            return (
                f"the queue {self.queue!r} is being resharded ({number}): start with the new number when that is done"
            )
        return (
            f"this producer has shards={self.shards}, but the Redis key {QueueKeys(self.queue).shards} says {number}: "
            f"set shards={number} (FORWARDER_SHARDS), as for the workers"
        )

    def commands(self, portions: Sequence[Portion], key: Key | None, form: Form) -> list[Command]:
        """One command for each portion, then the one that waits for the durability, if any."""
        return [self._push(portion, key, form) for portion in portions] + self._wait()

    def _push(self, portion: Portion, key: Key | None, form: Form) -> Command:
        verb = "RPUSH" if self.side == "left" else "LPUSH"
        name = list_name(self.queue, portion.shard, self.shards)
        most = self.max_waiting or 0
        if key is not None and form is not Form.PLAIN:
            call = ("EVALSHA", digest("push_once")) if form is Form.HASH else ("EVAL", source("push_once"))
            about = (verb, key.digest, portion.offset, most, key.milliseconds)
            return (*call, 2, name, self._marker(name, key), *about, *portion.elements)
        if most:
            return ("EVAL", source("push"), 1, name, verb, most, *portion.elements)
        return (verb, name, *portion.elements)

    def _marker(self, name: str, key: Key) -> str:
        """After a resharding a list has the same name, but other events: what a marker has counted were not these."""
        return marker(name, key.text if self.shards == 1 else f"{self.shards}:{key.text}")

    def _wait(self) -> list[Command]:
        replicas, milliseconds = self.durability.replicas, round(self.durability.within * 1_000)
        if self.durability.aof:
            return [("WAITAOF", 1, replicas, milliseconds)]
        return [("WAIT", replicas, milliseconds)] if replicas else []

    def fates(self, portions: Sequence[Portion], replies: Sequence[Reply]) -> tuple[list[Fate], Shortfall | None]:
        """The result of each command, and why the events that were pushed may not be durable; None if they are.

        Args:
            portions: in the order of the commands.
            replies: to the commands, and to the one that waits for the durability.
        """
        fates = [fate(portion, reply, self.max_waiting) for portion, reply in zip(portions, replies, strict=False)]
        wait = replies[len(portions) :]
        if not wait or not any(each.pushed for each in fates):
            return fates, None
        return fates, shortfall(wait[0], self.durability.replicas, self.durability.within)


def _unanswered(reply: Refusal | Lost) -> PushEnding:
    """What the lost or refused answer to a question means for a push that was not sent yet."""
    return PushEnding.UNAVAILABLE if passing(reply) else PushEnding.REFUSED
