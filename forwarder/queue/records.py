"""The operator's side of a list: the census, the dead letters, the halt."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from forwarder.errors import UnreachableError
from forwarder.queue import scripts
from forwarder.queue.claims import Side
from forwarder.queue.connection import translated
from forwarder.queue.keys import Keys


@dataclass(frozen=True, slots=True)
class Census:
    """Everything countable of one list, at one instant."""

    waiting: int
    claimed: int
    lease: str | None
    lease_milliseconds: int
    sequence: int
    settlement: int
    accepted: int
    dead_lettered: int
    replayed: int
    deleted: int
    letters: int

    @property
    def imbalances(self) -> dict[str, int]:
        """By how much each identity of the promises is off; 0 everywhere, always."""
        return {
            "sequence = accepted + dead_lettered + claimed": self.sequence
            - self.accepted
            - self.dead_lettered
            - self.claimed,
            "letters = dead_lettered - replayed - deleted": self.letters
            - self.dead_lettered
            + self.replayed
            + self.deleted,
        }


class Memory(NamedTuple):
    """How many bytes Redis uses, and may use: its maxmemory, or without one all of its machine. 0 is unknown."""

    used: int
    most: int


class HaltRecord(msgspec.Struct, frozen=True):
    """Why and since when the service is halted; ``fingerprint`` is of the refused key or URL, or empty."""

    reason: str
    detail: str
    since: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter; ``element`` is what was pushed, byte for byte, ``claimed_at`` in microseconds."""

    id: str
    element: bytes
    reason: str
    status: str
    detail: str
    user_id: str
    claimed_at: int
    attempts: int


def _halt_record(text: bytes) -> HaltRecord:
    try:
        return msgspec.json.decode(text, type=HaltRecord)
    except msgspec.DecodeError:
        # Whoever wrote it meant "stop"; `forwarder resume` takes it away like any other.
        return HaltRecord("unknown", "the halt key holds text that forwarder did not write", "", "")


def _dead_letter(letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return DeadLetter(
        id=letter_id.decode(),
        element=fields.get(b"element", b""),
        reason=text(b"reason"),
        status=text(b"status"),
        detail=text(b"detail"),
        user_id=text(b"user_id"),
        claimed_at=int(fields.get(b"claimed_at") or 0),
        attempts=int(fields.get(b"attempts") or 0),
    )


class Records:
    """Reads and changes what an operator may. Every method raises UnreachableError when Redis does not serve."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def census(self) -> Census:
        """Counts at one instant."""
        waiting, claimed, lease, pttl, *rest = await scripts.run(self._redis, "census", self._keys.of_the_list, [])
        return Census(waiting, claimed, lease.decode() if lease else None, pttl, *rest)

    async def halt(self) -> HaltRecord | None:
        """The halt in force."""
        with translated():
            present: Any = await self._redis.get(self._keys.halt)
        return _halt_record(present) if present else None

    async def write_halt(self, halt: HaltRecord) -> HaltRecord:
        """Halts every worker that is meant; an older halt for the same cause stays as it is."""
        text = msgspec.json.encode(halt)
        arguments: list[str | bytes | int] = [text, halt.reason, halt.fingerprint]
        return _halt_record(await scripts.run(self._redis, "halt", [self._keys.halt], arguments))

    async def resume(self, *, allow_refusals: int = 0) -> HaltRecord | None:
        """Ends the halt in force and returns it; lets so many refusals through the dead-letter brake."""
        keys = [self._keys.halt, self._keys.allowance]
        ended = await scripts.run(self._redis, "resume", keys, ["", allow_refusals])
        return _halt_record(ended) if ended else None

    async def end_halt(self, halt: HaltRecord) -> bool:
        """Ends this halt and no other; False if it is not in force any more."""
        keys = [self._keys.halt, self._keys.allowance]
        return bool(await scripts.run(self._redis, "resume", keys, [msgspec.json.encode(halt), 0]))

    async def take_allowance(self) -> int:
        """How many refusals an operator has let through since this was last asked."""
        with translated():
            return int(await self._redis.getdel(self._keys.allowance) or 0)

    async def letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter by its id."""
        with translated():
            found: Any = await self._redis.xrange(self._keys.dead, letter_id, letter_id)
        return _dead_letter(*found[0]) if found else None

    async def letters(self, *, page: int = 100) -> AsyncIterator[DeadLetter]:
        """All dead letters, oldest first, read in pages."""
        start = "-"
        while True:
            with translated():
                found: Any = await self._redis.xrange(self._keys.dead, start, "+", count=page)
            for letter_id, fields in found:
                yield _dead_letter(letter_id, fields)
            if len(found) < page:
                return
            start = "(" + found[-1][0].decode()

    async def replay(self, letter_id: str, element: bytes, *, side: Side) -> bool:
        """Pushes `element` and deletes the letter, both or neither; False if there is no such letter."""
        keys = [self._keys.list, self._keys.dead, self._keys.replayed]
        return bool(await scripts.run(self._redis, "replay", keys, [letter_id, element, side]))

    async def delete(self, letter_id: str) -> bool:
        """Deletes the letter for good and counts that, both or neither; False if there is no such letter."""
        return bool(await scripts.run(self._redis, "delete", [self._keys.dead, self._keys.deleted], [letter_id]))

    async def memory(self) -> Memory:
        """How full Redis is; unknown where it may not be asked (an ACL without INFO) or does not say."""
        try:
            with translated():
                info: Any = await self._redis.info("memory")
        except UnreachableError:
            return Memory(0, 0)
        return Memory(
            int(info.get("used_memory", 0)), int(info.get("maxmemory") or info.get("total_system_memory") or 0)
        )

    async def server(self) -> dict[str, object]:
        """What the Redis server says of itself (INFO), for the check."""
        with translated():
            return dict(await self._redis.info())
