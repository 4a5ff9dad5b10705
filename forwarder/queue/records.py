"""The operator's side of a list: the census, the dead letters, the halt."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

import msgspec
from redis.asyncio import Redis

from forwarder.queue.keys import Keys, Side
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

_NOT_COUNTS = {"lease", "lease_milliseconds", "settlement"}


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
    def owner(self) -> str:
        """The id of the worker that holds the lease, though perhaps no longer known to be at work; empty if nobody."""
        return (self.lease or "").partition("-")[0]

    @property
    def counts(self) -> dict[str, int]:
        """What can be added up over lists."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_COUNTS}

    def __add__(self, other: Self) -> "Census":
        """The two lists together, as if they were one that nobody owns."""
        mine, its = self.counts, other.counts
        return Census(lease=None, lease_milliseconds=0, settlement=0, **{name: mine[name] + its[name] for name in mine})

    @property
    def imbalance(self) -> int:
        """By how much all identities together are off."""
        return sum(map(abs, self.imbalances.values()))

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
    """How many bytes a server of Redis uses, and may use: its maxmemory, or without one all of its machine."""

    server: str
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
    shard: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class LatestLetters:
    """The latest letters, each with the length of its element, which may be cut; and how many have which reason."""

    letters: tuple[tuple[DeadLetter, int], ...]
    by_reason: Counter[str]


@dataclass(frozen=True, slots=True)
class Undecided:
    """How many of some events wait and are claimed, and how many events were ever claimed."""

    waiting: int
    claimed: int
    sequence: int


#: Digits of the microseconds since 1970, for two hundred years to come.
_LONGEST_NUMBER = 16


def _halt_record(text: bytes) -> HaltRecord:
    try:
        return msgspec.json.decode(text, type=HaltRecord)
    except msgspec.DecodeError:
        # Whoever wrote it meant "stop"; `forwarder resume` takes it away like any other.
        return HaltRecord("unknown", "the halt key holds text that forwarder did not write", "", "")


def _dead_letter(keys: Keys, letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    def number(name: bytes) -> int:
        digits = fields.get(name, b"")
        # Whoever writes to the stream by hand must not make the letters of all others unreadable.
        return int(digits) if digits.isdigit() and len(digits) <= _LONGEST_NUMBER else 0

    return DeadLetter(
        id=letter_id.decode(),
        element=fields.get(b"element", b""),
        reason=text(b"reason"),
        status=text(b"status"),
        detail=text(b"detail"),
        user_id=text(b"user_id"),
        claimed_at=number(b"claimed_at"),
        attempts=number(b"attempts"),
        shard=keys.shard,
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
        return _halt_record(await scripts.run(self._redis, "write_halt", [self._keys.halt], arguments))

    async def shards(self) -> str | None:
        """How many lists the queue has, as it was agreed; None before any worker came. Other text: not now."""
        with translated():
            agreed: Any = await self._redis.get(self._keys.shards)
        return agreed.decode(errors="replace") if agreed is not None else None

    async def resume(self) -> HaltRecord | None:
        """Ends the halt in force and returns it."""
        return await self._end_halt("")

    async def end_halt(self, halt: HaltRecord) -> bool:
        """Ends this halt and no other; False if it is not in force any more."""
        return await self._end_halt(msgspec.json.encode(halt)) is not None

    async def _end_halt(self, text: str | bytes) -> HaltRecord | None:
        ended = await scripts.run(self._redis, "end_halt", [self._keys.halt], [text])
        return _halt_record(ended) if ended else None

    async def allow(self, refusals: int) -> None:
        """Lets the next owner of the list pass so many refusals through the dead-letter brake."""
        with translated():
            await self._redis.set(self._keys.allowance, refusals)

    async def take_allowance(self) -> int:
        """How many refusals an operator has let through since this was last asked."""
        with translated():
            return int(await self._redis.getdel(self._keys.allowance) or 0)

    async def letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter by its id."""
        with translated():
            found: Any = await self._redis.xrange(self._keys.dead, letter_id, letter_id)
        return _dead_letter(self._keys, *found[0]) if found else None

    async def letters(self, *, page: int = 100) -> AsyncIterator[DeadLetter]:
        """All dead letters, oldest first, read in pages."""
        start = "-"
        while True:
            found = await self.letters_page(start, "+", page)
            for letter in found:
                yield letter
            if len(found) < page:
                return
            start = "(" + found[-1].id

    async def latest_letters(self, *, full: int, most: int, most_bytes: int, cut: int) -> LatestLetters:
        """A look at the latest dead letters, in one round trip that stays small however long their elements are.

        Args:
            full: letters to return.
            most: letters whose reasons to return.
            most_bytes: no further letter is looked at once their elements are so long.
            cut: bytes of an element that are returned.
        """
        reasons, found = await scripts.run(
            self._redis, "latest_letters", [self._keys.dead], [full, most, most_bytes, cut]
        )
        letters = [
            (_dead_letter(self._keys, letter_id, dict(zip(fields[::2], fields[1::2], strict=True))), length)
            for letter_id, length, fields in found
        ]
        return LatestLetters(tuple(letters), Counter(reason.decode(errors="replace") for reason in reasons))

    async def letters_page(self, first: str, last: str, most: int) -> list[DeadLetter]:
        """The oldest letters between two ids; ``-`` is the least, ``+`` the greatest, and ``(`` leaves one out."""
        with translated():
            found: Any = await self._redis.xrange(self._keys.dead, first, last, count=most)
        return [_dead_letter(self._keys, *each) for each in found]

    async def replay(self, letter_id: str, element: bytes, *, side: Side) -> int:
        """Pushes `element` and deletes the letter, both or neither.

        Returns the sequence number under which the event will be claimed; 0 if there is no such letter.
        """
        keys = [self._keys.list, self._keys.dead, self._keys.replayed, self._keys.sequence]
        return int(await scripts.run(self._redis, "replay_letter", keys, [letter_id, element, side]))

    async def undecided(self, numbers: Collection[int]) -> Undecided:
        """Which of the events with these sequence numbers, at least one, still wait or are claimed."""
        found: set[int] = set()
        cursor, sequence = b"0", None
        while True:
            arguments: list[str | bytes | int] = [cursor, min(numbers), max(numbers)]
            keys = [self._keys.claimed, self._keys.sequence]
            cursor, now, *claimed = await scripts.run(self._redis, "still_claimed", keys, arguments)
            # What is claimed while this looks may be missed: so the first page says what waited.
            sequence = now if sequence is None else sequence
            found.update(claimed)
            if cursor == b"0":
                break
        waiting = {number for number in numbers if number > sequence}
        return Undecided(len(waiting), len(found.intersection(numbers) - waiting), sequence)

    async def now(self) -> int:
        """Redis' time, in milliseconds since the epoch: that of the letters' ids."""
        with translated():
            seconds, microseconds = await self._redis.time()
        return int(seconds) * 1_000 + int(microseconds) // 1_000

    async def delete(self, letter_id: str) -> bool:
        """Deletes the letter for good and counts that, both or neither; False if there is no such letter."""
        return bool(await scripts.run(self._redis, "delete_letter", [self._keys.dead, self._keys.deleted], [letter_id]))

    async def server(self) -> dict[str, str]:
        """What the Redis server of the list says of itself (INFO)."""
        text: bytes = await scripts.run(self._redis, "server_info", [self._keys.list], [])
        lines = [line.partition(":") for line in text.decode(errors="replace").splitlines()]
        return {name: value for name, colon, value in lines if colon}

    async def memory(self) -> Memory:
        """How full the server of the list is. UnreachableError also where an ACL forbids INFO."""
        said = await self.server()
        return Memory(
            server=said.get("run_id", ""),
            used=int(said.get("used_memory", 0)),
            most=int(said.get("maxmemory", 0)) or int(said.get("total_system_memory", 0)),
        )
