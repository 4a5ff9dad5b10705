"""What the workers of a queue know of each other: which are running, and how many lists there are."""

import secrets
from dataclasses import dataclass, field

from redis.asyncio import Redis

from forwarder.errors import RolledBackError, WrongTypeError
from forwarder.queue import about
from forwarder.queue.about import About
from forwarder.queue.decisions import Decisions
from forwarder.queue.keys import QueueKeys
from forwarder.queue.shard_count import disagreement
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import text


def period(workers: int) -> float:
    """Seconds between two reports of a worker: Redis gets at most a hundred a second from a fleet of any size."""
    return max(1.0, workers / 100)


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's place among the running ones: `rank` counts from 0, in the order in which they came.

    Attributes:
        grant: POSTs per second that it may use; without a limit it needs none.
        remembered: seconds after which the others forget it, counted from the report.
    """

    rank: int
    workers: int
    grant: float = 0.0
    remembered: float = field(default=0.0, compare=False)

    @property
    def lasts(self) -> float:
        """Seconds for which the grant may be used, counted from before the report was sent.

        Another worker may get it as soon as this one is forgotten. The POSTs of the second before that still count.
        """
        return self.remembered - 1.0

    @property
    def period(self) -> float:
        """Seconds until the next report."""
        return period(self.workers)


@dataclass(frozen=True, slots=True)
class Colleague:
    """A running worker. The tokens of its leases start with its `id`.

    Attributes:
        placed: whether it has a place. Halted workers, and those that finish what is in flight, have none.
    """

    id: str
    about: About
    placed: bool

    @property
    def name(self) -> str:
        """Host name and process ID."""
        return self.about.name


class Fleet:
    """One worker's side of its queue's fleet.

    Args:
        redis: the client.
        queue: its name.
        shards: how many lists this worker takes the queue to have.
        name: of this worker, as people see it.
        remembered: seconds after which a silent worker is forgotten; more in a fleet of hundreds.
    """

    def __init__(self, redis: Redis, queue: str, shards: int, *, name: str, remembered: float) -> None:
        self._redis = redis
        self._keys = QueueKeys(queue)
        self._shards = shards
        self._about = About(name)
        self._remembered = int(remembered * 1000)
        self._came = 0
        self._calls = 0
        self.id = secrets.token_hex(6)
        #: What the fleet has decided lately about what was sent, and about the elements that were decoded.
        self.answers = Decisions(redis, self._keys.decisions, self.id)
        self.elements = Decisions(redis, self._keys.decoded, self.id)

    async def attend(
        self, limit: float = 0.0, held: float = 0.0, use: float = 0.0, eager: int = 0, *, about: About | None = None
    ) -> Place:
        """Reports that this worker is running. Call it again after `period` seconds.

        Args:
            limit: POSTs per second of the whole fleet, as this worker is configured; 0 means no limit.
            held: the largest grant that it has used within the last second, in POSTs per second, as is `use`.
            use: what it uses.
            eager: in how many reports in a row it could have used more than it was granted.
            about: what people see of it; without it, its name.

        Raises:
            ShardsDisagreeError: the queue has another number of lists than `shards`.
            WrongTypeError: a key of the fleet holds another type.
            UnreachableError: Redis gave no answer.
        """
        self._calls += 1
        arguments: list[str | bytes | int] = [self.id, self._calls, self._remembered, self._shards, self._came]
        arguments += [(about or self._about).text, str(limit), str(held), str(use), eager]
        keys = [self._keys.workers, self._keys.shards, self._keys.about]
        try:
            verdict, detail, *place = await scripts.run(self._redis, "attend", keys, arguments)
        except RolledBackError as error:
            await text(self._redis, self._keys.shards)  # if that is the wrong one, this names it
            raise _wrong_type(self._keys) from error
        if verdict == b"shards":
            raise disagreement(self._keys.queue, detail.decode(errors="replace"), self._shards)
        self._came = int(detail)
        rank, workers, milliseconds, grant = place
        return Place(rank, workers, float(grant), milliseconds / 1000)

    async def describe(self, about: About) -> float:
        """Reports that this worker runs without a place. Returns the seconds after which to call it again.

        It must have left, or never attended.

        Raises:
            WrongTypeError: a key of the fleet holds another type.
            UnreachableError: Redis gave no answer.
        """
        self._calls += 1
        keys = [self._keys.workers, self._keys.about]
        arguments: list[str | bytes | int] = [self.id, self._calls, self._remembered, about.text]
        try:
            _, workers = await scripts.run(self._redis, "describe", keys, arguments)
        except RolledBackError as error:
            raise _wrong_type(self._keys) from error
        return period(workers)

    def forget_place(self) -> None:
        """Gives up this worker's place: it comes last the next time, unless the others still remember it."""
        self._came = 0

    async def leave(self) -> None:
        """Reports that this worker has stopped. If it comes again, it comes last."""
        self._came = 0
        await scripts.run(self._redis, "leave", [self._keys.workers, self._keys.about], [self.id])


async def colleagues(redis: Redis, keys: QueueKeys) -> list[Colleague]:
    """The running workers: those that have a place, in the order in which they came, and then the others."""
    try:
        found = await scripts.run(redis, "workers", [keys.workers, keys.about], [])
    except RolledBackError as error:
        raise _wrong_type(keys) from error
    rows = zip(found[::3], found[1::3], found[2::3], strict=True)
    return [each for row in rows if (each := _colleague(*row)) is not None]


def _colleague(id_: bytes, text: bytes | None, placed: bytes) -> Colleague | None:
    """None if somebody else has written what this worker says of itself. Without a text, its ID is its name."""
    name = id_.decode(errors="replace")
    its = About(name) if text is None else about.read(text)
    return None if its is None else Colleague(name, its, placed == b"1")


def _wrong_type(keys: QueueKeys) -> WrongTypeError:
    return WrongTypeError(keys.workers, "another type", "a hash")
