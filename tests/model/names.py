"""What the numbers of a model stand for on a real Redis. Pure."""

from dataclasses import dataclass, field

from tests.model.trace import Field


@dataclass(slots=True)
class Names:
    """The stamps and tokens of one schedule. A model uses a number again when nothing refers to it any more.

    Attributes:
        stamps: real ones, by the model's.
        tokens: real ones, by the model's.
        may_repeat: whether two executions of a claim may have the same stamp. That is wrong unless it is broken.
    """

    stamps: dict[int, int] = field(default_factory=dict)
    tokens: dict[int, bytes] = field(default_factory=dict)
    may_repeat: bool = False
    _spent: set[int] = field(default_factory=set)

    def learn(self, stamp: int, real: int) -> None:
        """Learns the stamp of a claim that was executed.

        Raises:
            ValueError: an earlier execution had the same stamp.
        """
        if real in self._spent and not self.may_repeat:
            raise ValueError(f"two claims of the schedule have the stamp {real}")
        self._spent.add(real)
        self.stamps[stamp] = real

    def stamp(self, real: int) -> int:
        """The model's stamp; 0 for an unknown one."""
        return next((stamp for stamp, known in self.stamps.items() if known == real), 0)

    def token(self, real: bytes | None) -> int:
        """The model's token; 0 for none, -1 for an unknown one."""
        return 0 if real is None else next((token for token, known in self.tokens.items() if known == real), -1)

    def field(self, name: bytes) -> Field:
        """The field of a claimed event."""
        number, _, stamp = name.partition(b"-")
        return int(number), self.stamp(int(stamp))


def element(event: int) -> bytes:
    """What is pushed for an event."""
    return b"event %d" % event


def event_of(found: bytes) -> int:
    """The event whose element this is.

    Raises:
        ValueError: it is the element of none.
    """
    return int(found.removeprefix(b"event "))
