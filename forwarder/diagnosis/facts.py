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
class Setup:
    """The settings that a remedy names: the queue, the API's address, the key file, the lease (s), the proxy's address.

    All but the queue and the lease may be empty.
    """

    queue: str = "events"
    api: str = ""
    key_file: str = ""
    lease_ttl: float = 30.0
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """What only the process that shows it knows of itself; `forwarder status` knows none of this.

    Attributes:
        state: what its worker is doing.
        halt: why it is halted.
        redis: why Redis is unavailable, and what to do; None if it is available.
        redis_age: seconds since Redis answered last; None if it never has.
        counted_age: seconds since the lists were counted, by this process or another one.
        defect: which part has failed through a defect of ours; empty if none has.
        silence: how long the API has accepted nothing from it.
        name: of its worker, as in the worker's row.
    """

    state: str
    halt: Halted | None = None
    redis: tuple[str, str] | None = None
    redis_age: float | None = 0.0
    counted_age: float = 0.0
    defect: str = ""
    silence: Silence | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A queue at one moment.

    Attributes:
        lists: how many it has.
        halt, pause: those in force.
        workers: those that run, also halted ones and standbys, in the order in which they started.
        orphans: the lists with an owner that does not run any more, and the seconds until its lease ends.
        ownerless: how many lists have no owner.
        waiting, claimed: events.
        untouched: whether nothing was ever pushed.
        letters: dead letters that are kept.
        rolled_back: whether Redis counts less than it has counted within the last 15 minutes.
        foreign: keys that only what is shown depends on, and that hold something else.
        imbalance: events by which the counts of claims, outcomes and letters disagree.
        oldest: seconds since the oldest event was pushed, as far as anybody has seen it.
        trend: how the backlog changes.
        memory: how full the fullest Redis server is, from 0 to 1; None if it has no limit.
        setup: the settings of the process that shows this.
        own: of the process that shows this.
    """

    lists: int = 1
    halt: Halted | None = None
    pause: Halted | None = None
    workers: tuple[About, ...] = ()
    orphans: dict[str, float] = field(default_factory=dict)
    ownerless: int = 0
    waiting: int | None = None
    claimed: int | None = None
    untouched: bool = False
    letters: int | None = None
    rolled_back: bool = False
    foreign: tuple[str, ...] = ()
    imbalance: int = 0
    oldest: float | None = None
    trend: Trend = field(default_factory=Trend)
    memory: float | None = None
    setup: Setup = field(default_factory=Setup)
    own: Own | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send, and the API has accepted nothing in the last seconds.

        Where one event comes each second, it is the backlog of half a second. The state must not change with it.
        """
        return self.backlog == 0 and not any(each.accepted for each in self.workers)

    @property
    def backlog(self) -> int | None:
        """Events that are not decided."""
        return None if self.waiting is None or self.claimed is None else self.waiting + self.claimed
