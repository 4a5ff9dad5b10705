"""Names of the Redis keys of one list, and of those that all lists of a queue share."""

from dataclasses import dataclass, field
from typing import Literal

from forwarder.queue.sharding import list_name

#: Which end of a list holds the oldest event.
Side = Literal["left", "right"]

_OF_THE_LIST = (
    "claimed",
    "lease",
    "sequence",
    "settlement",
    "accepted",
    "dead_lettered",
    "replayed",
    "deleted",
    "dead",
    "allowance",
    "aside",
    "stage",
    "move",
    "moved",
)
_OF_THE_QUEUE = ("halt", "shards", "workers")


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key that belongs to one list, and those of the whole queue.

    The auxiliary keys carry a list's name in braces, so that Redis Cluster keeps them in the list's own
    hash slot and a script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/,
    "Hash tags"). The keys of the queue carry the queue's name, and are in another slot when there are several shards.

    Args:
        queue: its name.
        shard: which of its lists.
        of: how many lists it has.
    """

    queue: str
    shard: int = 0
    of: int = 1
    list: str = field(init=False)
    claimed: str = field(init=False)
    lease: str = field(init=False)
    sequence: str = field(init=False)
    settlement: str = field(init=False)
    accepted: str = field(init=False)
    dead_lettered: str = field(init=False)
    replayed: str = field(init=False)
    deleted: str = field(init=False)
    dead: str = field(init=False)
    allowance: str = field(init=False)
    aside: str = field(init=False)
    stage: str = field(init=False)
    move: str = field(init=False)
    moved: str = field(init=False)
    halt: str = field(init=False)
    shards: str = field(init=False)
    workers: str = field(init=False)

    def __post_init__(self) -> None:
        name = list_name(self.queue, self.shard, self.of)
        object.__setattr__(self, "list", name)
        for tag, keys in ((name, _OF_THE_LIST), (self.queue, _OF_THE_QUEUE)):
            for key in keys:
                object.__setattr__(self, key, f"{{{tag}}}:{key}")

    @property
    def of_the_list(self) -> tuple[str, ...]:
        """The keys in the order in which ``acquire.lua`` and ``census.lua`` take them."""
        return (
            self.list,
            self.claimed,
            self.lease,
            self.sequence,
            self.settlement,
            self.accepted,
            self.dead_lettered,
            self.replayed,
            self.deleted,
            self.dead,
        )
