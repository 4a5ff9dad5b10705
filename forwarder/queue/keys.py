"""Names of the Redis keys of one list."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key that belongs to one list.

    The auxiliary keys carry the list's name in braces, so that Redis Cluster keeps them in the list's own
    hash slot and a script may touch them all (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/,
    "Hash tags").
    """

    queue: str
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
    halt: str = field(init=False)
    allowance: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "list", self.queue)
        for name in self.__slots__[2:]:
            object.__setattr__(self, name, f"{{{self.queue}}}:{name}")

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
