"""Names of the Redis keys: those of one list, and those that all lists of a queue share."""

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
    "dead_groups",
    "allowance",
    "aside",
    "stage",
    "move",
    "moved",
)
_OF_THE_QUEUE = (
    "about",
    "counts",
    "past",
    "decisions",
    "decoded",
    "halt",
    "recognized",
    "retry",
    "pause",
    "address",
    "shards",
    "workers",
)


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys that all lists of a queue share.

    They carry the queue's name in braces. If the queue has several lists, they are in another hash slot than any list.
    """

    queue: str
    about: str = field(init=False)
    counts: str = field(init=False)
    past: str = field(init=False)
    decisions: str = field(init=False)
    decoded: str = field(init=False)
    halt: str = field(init=False)
    recognized: str = field(init=False)
    retry: str = field(init=False)
    pause: str = field(init=False)
    address: str = field(init=False)
    shards: str = field(init=False)
    workers: str = field(init=False)

    def __post_init__(self) -> None:
        for key in _OF_THE_QUEUE:
            object.__setattr__(self, key, f"{{{self.queue}}}:{key}")


def marker(list_name: str, idempotency_key: str) -> str:
    """The key that counts which events of a push are in a list; in the list's own hash slot."""
    return f"{{{list_name}}}:pushed:{idempotency_key}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one list.

    The auxiliary keys carry the list's name in braces, so that Redis Cluster keeps them in the list's own
    hash slot and a script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/,
    "Hash tags").

    Args:
        queue: the name of the queue.
        shard: which of the queue's lists.
        of: how many lists the queue has.
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
    dead_groups: str = field(init=False)
    allowance: str = field(init=False)
    aside: str = field(init=False)
    stage: str = field(init=False)
    move: str = field(init=False)
    moved: str = field(init=False)

    def __post_init__(self) -> None:
        name = list_name(self.queue, self.shard, self.of)
        object.__setattr__(self, "list", name)
        for key in _OF_THE_LIST:
            object.__setattr__(self, key, f"{{{name}}}:{key}")

    @property
    def of_the_list(self) -> tuple[str, ...]:
        """The keys in the order that ``acquire.lua`` and ``census.lua`` expect."""
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
