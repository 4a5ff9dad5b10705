"""The counts of one list: what is in it, what became of its events, and how full its server is."""

from collections.abc import Collection, Container, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.queue.wire import scripts
from forwarder.queue.wire.replies import wrong_type

#: A lease with less than this part of its length left was not renewed. An owner renews it when two thirds are left, or
#: earlier. Example: of 30 s, 20 s are left then. With 18 s left, it is 2 s late.
_RENEWED = 0.6
_NOT_COUNTS = {"lease", "lease_milliseconds", "settlement"}


@dataclass(frozen=True, slots=True)
class Census:
    """The counts of one list at one instant, and its lease."""

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
        """The ID of the worker that holds the lease, which may have died since; empty if there is none."""
        return (self.lease or "").partition("-")[0]

    def is_orphan(self, running: Container[str], lease_ttl: float) -> bool:
        """Whether the owner of the list is gone: another worker takes over when its lease ends.

        Two signs are needed: it is not among the running workers, and its lease was not renewed. The first one alone
        may be wrong for seconds, for example when the list has changed hands since it was counted, or when a worker of
        the version before finishes what is in flight. The second one alone means that Redis was unavailable for a
        while.

        Args:
            running: the IDs of the running workers.
            lease_ttl: seconds that a lease lasts.
        """
        late = 0 < self.lease_milliseconds < _RENEWED * lease_ttl * 1000
        return self.lease is not None and late and self.owner not in running

    @property
    def backlog(self) -> int:
        """Events that wait or are claimed: all that have neither been accepted nor refused yet."""
        return self.waiting + self.claimed

    @property
    def counts(self) -> dict[str, int]:
        """The values that can be summed over lists."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_COUNTS}

    def __add__(self, other: Self) -> "Census":
        """The counts of two lists together, without an owner."""
        mine, its = self.counts, other.counts
        return Census(lease=None, lease_milliseconds=0, settlement=0, **{name: mine[name] + its[name] for name in mine})

    @property
    def imbalance(self) -> int:
        """The sum of all imbalances, without signs."""
        return sum(map(abs, self.imbalances.values()))

    @property
    def imbalances(self) -> dict[str, int]:
        """The difference between the two sides of each equation that always holds: 0, unless an event was lost."""
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
    """The memory of a Redis server in bytes. `most` is its maxmemory, or the machine's memory if that is unset."""

    server: str
    used: int
    most: int

    @property
    def part(self) -> float:
        """How full it is, from 0 to 1."""
        return self.used / max(1, self.most)


@dataclass(frozen=True, slots=True)
class Undecided:
    """How many of the given events wait, and how many are claimed. `sequence` counts all that were ever claimed."""

    waiting: int
    claimed: int
    sequence: int


async def take(redis: Redis, keys: Keys) -> Census:
    """Counts everything at one instant. Raises WrongTypeError if a key of the list holds something else."""
    return read(await scripts.run(redis, "census", keys.of_the_list, []))


def read(reply: Sequence[Any]) -> Census:
    """The counts in a reply of ``census.lua``. Raises WrongTypeError if a key of the list holds something else."""
    verdict, *found = reply
    if verdict == b"wrongtype":
        raise wrong_type(found)
    waiting, claimed, lease, pttl, *rest = found
    return Census(waiting, claimed, lease.decode(errors="replace") if lease else None, pttl, *rest)


async def still_claimed(redis: Redis, keys: Keys, numbers: Collection[int]) -> Undecided:
    """How many of the events with these sequence numbers still wait or are claimed. `numbers` must not be empty."""
    found: set[int] = set()
    cursor, sequence = b"0", None
    while True:
        arguments: list[str | bytes | int] = [cursor, min(numbers), max(numbers)]
        cursor, now, *claimed = await scripts.run(redis, "still_claimed", [keys.claimed, keys.sequence], arguments)
        # An event that is claimed during this scan may be missed, so the first page decides which events waited.
        sequence = now if sequence is None else sequence
        found.update(claimed)
        if cursor == b"0":
            break
    waiting = {number for number in numbers if number > sequence}
    return Undecided(len(waiting), len(found.intersection(numbers) - waiting), sequence)


async def server(redis: Redis, keys: Keys) -> dict[str, str]:
    """What the Redis server of the list reports about itself (INFO)."""
    text: bytes = await scripts.run(redis, "server_info", [keys.list], [])
    lines = [line.partition(":") for line in text.decode(errors="replace").splitlines()]
    return {name: value for name, colon, value in lines if colon}


async def memory(redis: Redis, keys: Keys) -> Memory:
    """How full the server of the list is. Raises UnreachableError also if an ACL forbids INFO."""
    info = await server(redis, keys)
    return Memory(
        server=info.get("run_id", ""),
        used=int(info.get("used_memory", 0)),
        most=int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0)),
    )
