"""What is known of a queue and its service at one moment. None is unknown."""

from dataclasses import dataclass, field

from forwarder.diagnosis.trend import Trend
from forwarder.queue.about import About, Silence


@dataclass(frozen=True, slots=True)
class Halted:
    """The halt in force: why, and since when (ISO 8601). `named`: it names a key or an address that was refused."""

    reason: str
    detail: str
    since: str
    named: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the lease of a list, for how many seconds more, and whether it is known to run."""

    name: str
    lease_seconds: float
    alive: bool


@dataclass(frozen=True, slots=True)
class Own:
    """What only the process that shows it knows of itself; `forwarder status` knows none of this.

    Attributes:
        state: what its worker is doing.
        lists: how many it owns.
        redis: why Redis is unavailable, and what to do; None if it is available.
        redis_age: seconds since Redis answered last; None if it never has.
        counted_age: seconds since the lists were counted, by this process or another one.
        defect: which part has failed through a defect of ours; empty if none has.
        silence: how long the API has accepted nothing from it.
        lease_ttl: seconds.
    """

    state: str
    lists: int = 0
    redis: tuple[str, str] | None = None
    redis_age: float | None = 0.0
    counted_age: float = 0.0
    defect: str = ""
    silence: Silence | None = None
    lease_ttl: float = 30.0


@dataclass(frozen=True, slots=True)
class Facts:
    """A queue at one moment.

    Attributes:
        queue: its name.
        lists: how many it has.
        halt: the halt in force.
        workers: those that run, also halted ones and standbys, in the order in which they started.
        orphans: the owners that are not known to run, though their leases have not ended, by list.
        ownerless: how many lists have no owner.
        waiting, claimed: events.
        letters: dead letters that are kept.
        imbalance: events by which the counts of claims, outcomes and letters disagree.
        oldest: seconds since the oldest event was pushed, as far as anybody has seen it.
        trend: how the backlog changes.
        memory: how full the fullest Redis server is, from 0 to 1; None if it has no limit.
        api: the address of the API, and the key file if there is one, as the setting says; for the remedies.
        own: of the process that shows this.
    """

    queue: str
    lists: int = 1
    halt: Halted | None = None
    workers: tuple[About, ...] = ()
    orphans: dict[str, Owner] = field(default_factory=dict)
    ownerless: int = 0
    waiting: int | None = None
    claimed: int | None = None
    letters: int | None = None
    imbalance: int = 0
    oldest: float | None = None
    trend: Trend = field(default_factory=Trend)
    memory: float | None = None
    api: str = ""
    key_file: str = ""
    own: Own | None = None

    @property
    def backlog(self) -> int | None:
        """Events that are not decided."""
        return None if self.waiting is None or self.claimed is None else self.waiting + self.claimed
